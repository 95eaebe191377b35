/**
 * The plan of a round with many mailboxes: one plan per mailbox, plus faults of the deployment, of the work topic and of the
 * access to single mailboxes. Faults of the deployment belong to the plan of the first mailbox. The seed determines all of it.
 */
import { KINDS, type KindName } from '../kinds.ts';
import { type Plan, ROUNDS_PER_FIXTURE } from '../plan.ts';
import { PlanBuilder } from '../plan-builder.ts';
import { RandomChoices } from '../random-choices.ts';
import { type Access, accessOf, type ManyEvent } from './many-events.ts';

export interface ManyPlan {
  readonly round: number;
  /** What the report of the round names: `kills`, `3:storm`, `work-topic`. */
  readonly kinds: readonly string[];
  /** By the number of the mailbox. */
  readonly mailboxes: readonly Plan[];
  /** Sorted by time. */
  readonly events: readonly ManyEvent[];
  /** Called once after the faults, with no concurrent calls. */
  readonly lastVerb: 'start' | 'stop';
  /** The mailbox that is paused and resumed at the end, without faults; null: none. */
  readonly paused: number | null;
  /** The mailbox that is reconciled at the end; null: none. */
  readonly reconciled: number | null;
}

/** Faults of processes and of the database, which all mailboxes share. */
const DEPLOYMENT_KINDS = [
  'kills',
  'kills',
  'freeze',
  'scale',
  'postgres',
  'cuts',
  'together',
  'stop-start',
  'clock',
  'disk-full',
  'control-races',
] as const satisfies readonly KindName[];

/** Faults of one mailbox. The others must not notice. */
const MAILBOX_KINDS = [
  'pushes',
  'pushes',
  'lag',
  'expired',
  'changes',
  'changes',
  'noise',
  'items',
  'storm',
  'quota',
  'forbidden',
  'trash-behind-lag',
  'access',
  'pause',
] as const;

/** Above this many mailboxes, some of a round have no fault of their own. */
const SHARE_WITH_FAULTS = 0.5;

export function makeManyPlan(seed: number, round: number, count: number): ManyPlan {
  const random = new RandomChoices(seed, 'many', round);
  const isFirstSync = round % ROUNDS_PER_FIXTURE === 0;
  const durationMs = random.int(2_000, 4_000);
  const builders = Array.from(
    { length: count },
    (_, number) => new PlanBuilder(new RandomChoices(seed, 'many', round, number), isFirstSync, durationMs),
  );
  const events: ManyEvent[] = [];
  const kinds: string[] = [];
  for (const [number, builder] of builders.entries()) addEmails(builder, `m${number}r${round}`);
  const [first] = builders;
  if (first === undefined) throw new Error('There must be a mailbox');
  addCalls(first, builders.length);
  for (const kind of new Set(random.sample(DEPLOYMENT_KINDS, random.pick([0, 1, 1, 2, 3])))) {
    KINDS[kind](first);
    kinds.push(kind);
  }
  if (random.chance(0.5)) {
    events.push(...workFaults(random, durationMs, count));
    kinds.push('work-topic');
  }
  const longest = random.chance(0.2) ? random.int(0, count - 1) : null;
  for (const [number, builder] of builders.entries()) {
    const hasFaults = builder.random.chance(SHARE_WITH_FAULTS);
    const own = hasFaults ? builder.random.sample(MAILBOX_KINDS, builder.random.pick([1, 1, 2])) : [];
    for (const kind of new Set(own)) {
      if (kind === 'access') events.push(...accessFaults(builder, number, accessOf(number), round));
      else if (kind === 'pause') events.push(pause(builder, number));
      else KINDS[kind](builder);
      kinds.push(`${number}:${kind}`);
    }
    // Last, because `changes` could delete the email whose labels change.
    if (number === longest) {
      KINDS['long-history'](builder);
      kinds.push(`${number}:long-history`);
    }
  }
  return {
    round,
    kinds,
    mailboxes: builders.map((builder) => ({
      round,
      kinds: [],
      isFirstSync,
      reconciles: false,
      lastVerb: 'start',
      mails: builder.mails,
      events: builder.events.toSorted((a, b) => a.atMs - b.atMs),
    })),
    events: events.toSorted((a, b) => a.atMs - b.atMs),
    lastVerb: random.pick(['start', 'stop']),
    paused: random.chance(0.5) ? random.int(0, count - 1) : null,
    reconciled: random.chance(0.3) ? random.int(0, count - 1) : null,
  };
}

function addEmails(plan: PlanBuilder, name: string): void {
  const { random } = plan;
  const burstAt = random.chance(0.25) ? plan.moment(0, 0.6) : null;
  for (let n = random.int(0, 9); n > 0; n -= 1) {
    const arrival = plan.isFirstSync ? 'inbox' : random.pick(['inbox', 'inbox', 'inbox', 'filed', 'read']);
    plan.deliver(name, burstAt ?? plan.moment(0, 0.85), arrival);
  }
}

/** The scheduled polls, and a few requests of operators. */
function addCalls(plan: PlanBuilder, mailboxes: number): void {
  const { random } = plan;
  for (let at = random.int(0, 300); at < plan.durationMs; at += random.int(300, 900)) {
    if (random.chance(0.4)) plan.at(at, { kind: 'time_passes' });
    plan.at(at, { kind: 'call', target: 'poll', ...(random.chance(0.1) && { count: 2 }) });
  }
  if (mailboxes > 1 || random.chance(0.5)) plan.at(plan.moment(), { kind: 'call', target: 'pollNow' });
  plan.at(plan.moment(), { kind: 'call', target: 'status' });
}

function workFaults(random: RandomChoices, durationMs: number, mailboxes: number): ManyEvent[] {
  const atMs = random.int(0, durationMs / 2);
  const events: ManyEvent[] = [
    {
      kind: 'work',
      atMs,
      forMs: random.int(300, durationMs),
      why: 'work messages are duplicated and out of order',
      faults: {
        duplicateProbability: random.pick([0, 0.3, 1]),
        jitterMs: random.pick([0, 300, 1_000]),
        lostAnswerProbability: random.pick([0, 0, 0.5]),
      },
    },
  ];
  if (random.chance(0.3)) {
    const forMs = random.int(200, 1_200);
    events.push({ kind: 'work', atMs, forMs, why: 'the work topic is away', faults: { isDown: true } });
  }
  for (let n = random.int(0, 3); n > 0; n -= 1) {
    const mailbox = random.int(0, mailboxes - 1);
    const what = random.pick(['known', 'known', 'stranger', 'garbage']);
    events.push({ kind: 'stray_work', atMs: random.int(0, durationMs), mailbox, what });
  }
  return events;
}

/** Gmail refuses the access to one mailbox for a time, or its secret is replaced. */
function accessFaults(plan: PlanBuilder, mailbox: number, access: Access, round: number): ManyEvent[] {
  const { random } = plan;
  const atMs = plan.moment(0, 0.7);
  const forMs = random.int(200, 1_500);
  if (random.chance(0.3)) {
    plan.at(atMs, { kind: 'expire_tokens' });
    return [];
  }
  switch (access) {
    case 'environment':
      plan.at(atMs, { kind: 'revoke', reauthorizedAfterMs: forMs });
      return [];
    case 'delegation':
      plan.at(atMs + 1, { kind: 'expire_tokens' });
      return [{ kind: 'delegation_denied', atMs, forMs, mailbox }];
    case 'refresh_token':
      switch (random.pick(['revoke', 'rotate', 'away'])) {
        case 'revoke':
          plan.at(atMs, { kind: 'revoke', reauthorizedAfterMs: forMs });
          return [];
        case 'rotate':
          return [
            {
              kind: 'rotate_secret',
              atMs,
              mailbox,
              refreshToken: `1//emulated-@${mailbox}@-${round}`,
              revokesOld: random.chance(0.5),
            },
          ];
        case 'away':
          return [{ kind: 'secret_away', atMs, forMs, mailbox }];
      }
  }
}

function pause(plan: PlanBuilder, mailbox: number): ManyEvent {
  return { kind: 'pause', atMs: plan.moment(0, 0.5), forMs: plan.random.int(300, 3_000), mailbox };
}
