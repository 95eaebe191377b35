/** Faults of Gmail's answers: single messages, everything for a while, limits, tokens. */
import type { FaultKind, FaultRule } from '../../emulators/gmail/fault-rules.ts';
import type { Chance } from './chance.ts';
import type { PlanBuilder } from './plan-builder.ts';

/** Refused for good at the first answer: each strike is an attempt, and a message has eight. */
const FINAL = new Set([400, 403]);

/** Some messages fail on their own, each a few times. */
export function items(plan: PlanBuilder): void {
  const { chance } = plan;
  for (const mail of chance.some(plan.mails, chance.int(3, 12))) {
    const fault = anyFault(chance, true);
    const isFinal = fault.kind === 'status' && FINAL.has(fault.status);
    plan.at(chance.happens(0.7) ? 0 : mail.atMs, {
      kind: 'gmail_fault',
      rule: {
        ...fault,
        method: 'messages.get',
        messageId: mail.gmailMessageId,
        times: fault.kind === 'hang' ? 1 : chance.int(1, isFinal ? 2 : 6),
      },
      forMs: null,
    });
  }
}

/** For a while many calls fail, of one method or of all. */
export function storm(plan: PlanBuilder): void {
  const { chance } = plan;
  for (let n = chance.int(1, 3); n > 0; n -= 1) {
    const fault = anyFault(chance, false);
    const from = plan.moment(0, 0.6);
    const method = chance.pick([
      'history.list',
      'messages.get',
      'messages.get',
      'messages.list',
      'token',
      null,
      null,
    ]);
    // Otherwise no process requests one.
    if (method === 'token') plan.at(from, { kind: 'expire_tokens' });
    // What hangs holds its run to the end of its time: few calls are enough.
    const often =
      fault.kind === 'hang' ? { times: chance.int(1, 2) } : { probability: chance.pick([0.2, 0.5, 1]) };
    const rule: FaultRule = { ...fault, ...often, ...(method && { method }) };
    plan.at(from, { kind: 'gmail_fault', rule, forMs: chance.int(300, 1_600) });
  }
}

/** Few calls at once are allowed, and the minute is nearly spent. */
export function quota(plan: PlanBuilder): void {
  const { chance } = plan;
  plan.at(plan.moment(0, 0.5), {
    kind: 'switches',
    why: 'Gmail allows few calls at once',
    value: { quota: { maxConcurrent: chance.int(1, 4) } },
  });
  plan.at(plan.moment(0.6), {
    kind: 'switches',
    why: 'and allows more again',
    value: { quota: { maxConcurrent: null } },
  });
}

export function tokens(plan: PlanBuilder): void {
  const { chance } = plan;
  switch (chance.pick(['expire', 'expire', 'revoke', 'redeploy', 'rotate', 'beside'])) {
    case 'expire':
      for (let n = chance.int(1, 4); n > 0; n -= 1) plan.at(plan.moment(), { kind: 'expire_tokens' });
      break;
    case 'revoke':
      plan.at(plan.moment(0, 0.8), { kind: 'revoke', reauthorizedAfterMs: chance.int(100, 900) });
      break;
    case 'redeploy':
      plan.at(plan.moment(0, 0.6), { kind: 'redeploy', revokesOld: true, share: 'all' });
      break;
    case 'rotate':
      plan.at(plan.moment(0, 0.6), { kind: 'redeploy', revokesOld: true, share: 'some' });
      break;
    case 'beside':
      plan.at(plan.moment(0, 0.6), { kind: 'redeploy', revokesOld: false, share: 'some' });
  }
}

function anyFault(chance: Chance, isOfOneMessage: boolean): FaultKind {
  switch (chance.pick(['status', 'status', 'status', 'reset', 'truncate', 'notJson', 'delay', 'hang'])) {
    case 'reset':
      return { kind: 'reset' };
    case 'truncate':
      return { kind: 'truncate' };
    case 'notJson':
      return { kind: 'notJson' };
    case 'delay':
      return { kind: 'delay', delayMs: chance.int(100, 900) };
    case 'hang':
      return { kind: 'hang' };
    case 'status':
      return statusFault(chance, isOfOneMessage);
  }
}

function statusFault(chance: Chance, isOfOneMessage: boolean): FaultKind {
  const status = chance.pick(
    isOfOneMessage ? [400, 403, 403, 429, 500, 503] : [403, 403, 429, 429, 500, 502, 503],
  );
  if (status !== 403) {
    const retry = status === 429 && chance.happens(0.3) ? { retryAfterSeconds: 1 } : {};
    return { kind: 'status', status, ...retry };
  }
  // A 403 for one message may be about the message; one for everything is a limit.
  const reason = isOfOneMessage
    ? chance.pick(['rateLimitExceeded', 'forbidden'])
    : chance.pick(['rateLimitExceeded', 'userRateLimitExceeded']);
  return { kind: 'status', status, reason };
}

/** Gmail denies messages one by one, with an answer that is not a limit: all of them for a while, or a few until the end. */
export function forbidden(plan: PlanBuilder): void {
  const { chance } = plan;
  const rule: FaultRule = { kind: 'status', status: 403, reason: 'forbidden', method: 'messages.get' };
  if (chance.happens(0.5)) {
    plan.at(plan.moment(0, 0.5), { kind: 'gmail_fault', rule, forMs: chance.int(300, 1_600) });
    return;
  }
  for (const mail of chance.some(plan.mails, chance.int(1, 3))) {
    mail.hasLastingFault = true;
    plan.at(0, { kind: 'gmail_fault', rule: { ...rule, messageId: mail.gmailMessageId }, forMs: null });
    plan.nearlyDead(mail, mail.atMs + 300);
    plan.at(mail.atMs + 300, { kind: 'time_passes' });
  }
}
