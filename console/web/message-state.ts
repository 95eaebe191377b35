/** Says in words where a message is that is not stored, why, and what happens next. */
import type { MessageJson } from '../../shared/schemas/messages.ts';
import type { Child } from './element.ts';
import { formatNumber, pluralize } from './format-number.ts';
import { inBrackets, nextText, type Polling } from './polling.ts';
import { ageElement, serverNowMs, timeElement } from './times.ts';

interface RuleText {
  /** After "Ignored 3 h ago: ". */
  readonly reason: string;
  /** After a number of messages. */
  readonly counted: (count: number) => string;
  /** What makes the monitor store the message. */
  readonly hint?: string;
}

const RULES: Readonly<Record<string, RuleText>> = {
  spam: {
    reason: 'in spam',
    counted: () => 'spam',
    hint: 'If it is an order, mark it as “Not spam” in Gmail. It is then stored.',
  },
  trash: {
    reason: 'in the trash on arrival',
    counted: () => 'in the trash',
    hint: 'If it is an order, move it out of the trash in Gmail. It is then stored.',
  },
  draft: { reason: 'a draft', counted: (count) => (count === 1 ? 'draft' : 'drafts') },
  chat: { reason: 'a chat', counted: (count) => (count === 1 ? 'chat' : 'chats') },
  sent: { reason: 'sent by this account', counted: () => 'sent' },
  label: {
    reason: 'without the label that the monitor reads',
    counted: () => 'without the label',
    hint: 'If it is an order, give it the label in Gmail. It is then stored.',
  },
  before_start: {
    reason: 'older than the first start of the monitor',
    counted: () => 'older than the first start',
    hint: 'Run `npm run backfill` to fetch older email.',
  },
};

/** The rule in words; a rule that this page does not know by its name. */
export function ruleReason(rule: string): string {
  return RULES[rule]?.reason ?? `rule ${rule}`;
}

/** As in "12 spam"; "1,000+ sent" for a count that stopped there. */
export function countedText(rule: string, count: number, isCapped: boolean): string {
  return `${formatNumber(count)}${isCapped ? '+' : ''} ${RULES[rule]?.counted(count) ?? rule}`;
}

export interface StateText {
  readonly text: readonly Child[];
  /** What the operator can do; null for nothing. Commands are between backticks. */
  readonly hint: string | null;
}

export function describeMessage(message: MessageJson, polling: Polling): StateText {
  switch (message.state) {
    case 'ignored': {
      const rule = message.ignored_rule ?? '';
      return {
        text: ['Ignored ', ...at(message.resolved_at), `: ${ruleReason(rule)}.`],
        hint: RULES[rule]?.hint ?? null,
      };
    }
    case 'gone':
      return {
        text: ['Gone ', ...at(message.resolved_at), ': Gmail no longer had it when it was to be fetched.'],
        hint: null,
      };
    case 'erased':
      return {
        text: [
          'Erased ',
          ...at(message.resolved_at),
          ': it was stored. An operator or the retention limit erased its content.',
        ],
        hint: null,
      };
    case 'dead':
      return { text: deadText(message, polling), hint: message.remediation };
    case 'pending':
      return message.is_failing
        ? { text: failingText(message, polling), hint: message.remediation }
        : { text: waitingText(message, polling), hint: null };
    case 'unknown':
      return describeUnknown(message, polling);
    default:
      // The server may be newer than this page.
      return { text: [message.state], hint: null };
  }
}

function at(time: string | null): Child[] {
  return time === null ? ['at an unknown time'] : [ageElement(time)];
}

function errorText({ error_code: code, error_title: title }: MessageJson): string {
  return title ?? code ?? 'unknown error';
}

function deadText(message: MessageJson, polling: Polling): Child[] {
  const { attempt_count: count, given_up_at: givenUpAt, next_attempt_at: nextAt } = message;
  const reason = ` after ${pluralize(count, 'attempt')}: ${errorText(message)}.`;
  if (givenUpAt !== null)
    return ['Given up ', ageElement(givenUpAt), `${reason} It is not retried automatically.`];
  return [
    'Dead since ',
    ...at(message.resolved_at ?? message.last_attempt_at),
    reason,
    ...(nextAt === null ? [] : [' Next attempt: ', timeElement(nextAt), `${inBrackets(polling)}.`]),
  ];
}

function failingText(message: MessageJson, polling: Polling): Child[] {
  if (message.is_claimed) return ['Being fetched again now. Last error: ', errorText(message), '.'];
  const { attempt_count: count, next_attempt_at: nextAt } = message;
  const attempt = count === 0 ? 'next' : ordinal(count + 1);
  const isDue = nextAt === null || Date.parse(nextAt) <= serverNowMs();
  return [
    `Waiting for its ${attempt} attempt`,
    ...(isDue ? [' with the next poll'] : [' at ', timeElement(nextAt)]),
    `${inBrackets(polling)}: ${errorText(message)}.`,
  ];
}

function waitingText(message: MessageJson, polling: Polling): Child[] {
  if (message.is_claimed) return ['Being fetched now.'];
  const since = message.discovered_at === null ? [] : [', found ', ageElement(message.discovered_at)];
  return [
    'Waiting to be fetched',
    ...since,
    '.',
    nextText(polling, 'It is fetched with one of the next polls.'),
  ];
}

function describeUnknown({ ignored_rule: rule }: MessageJson, polling: Polling): StateText {
  if (rule === null)
    return {
      text: ['In Gmail, not found by the monitor yet.', nextText(polling, 'The next poll finds it.')],
      hint: null,
    };
  const end = rule === 'before_start' ? 'so it was not fetched' : 'so the monitor does not store it';
  return { text: [`In Gmail, ${ruleReason(rule)}, ${end}.`], hint: RULES[rule]?.hint ?? null };
}

/** "2nd", "11th". */
function ordinal(count: number): string {
  const lastTwo = count % 100;
  const suffix = lastTwo > 10 && lastTwo < 14 ? 'th' : (['th', 'st', 'nd', 'rd'][count % 10] ?? 'th');
  return `${count}${suffix}`;
}
