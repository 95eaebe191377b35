/** Faults in Gmail's responses: single messages, all calls for a time, limits, tokens. */
import type { FaultKind, FaultRule } from '../../emulators/gmail/fault-rules.ts';
import type { PlanBuilder } from './plan-builder.ts';
import type { RandomChoices } from './random-choices.ts';

/** Not retried within an attempt, so each response uses up one of the eight attempts of a message. */
const NOT_RETRIED = new Set([400, 403]);

/** Some individual messages fail a few times each. */
export function items(plan: PlanBuilder): void {
  const { random } = plan;
  for (const mail of random.sample(plan.mails, random.int(3, 12))) {
    const fault = anyFault(random, true);
    const isFinal = fault.kind === 'status' && NOT_RETRIED.has(fault.status);
    plan.at(random.chance(0.7) ? 0 : mail.atMs, {
      kind: 'gmail_fault',
      rule: {
        ...fault,
        method: 'messages.get',
        messageId: mail.gmailMessageId,
        times: fault.kind === 'hang' ? 1 : random.int(1, isFinal ? 2 : 6),
      },
      forMs: null,
    });
  }
}

/** Many calls fail for a time, of one method or of all. */
export function storm(plan: PlanBuilder): void {
  const { random } = plan;
  for (let n = random.int(1, 3); n > 0; n -= 1) {
    const fault = anyFault(random, false);
    const from = plan.moment(0, 0.6);
    const method = random.pick([
      'history.list',
      'messages.get',
      'messages.get',
      'messages.list',
      'token',
      null,
      null,
    ]);
    // Without this no process would request a token.
    if (method === 'token') plan.at(from, { kind: 'expire_tokens' });
    // A call that hangs blocks its run until the deadline, so only a few may hang.
    const often =
      fault.kind === 'hang' ? { times: random.int(1, 2) } : { probability: random.pick([0.2, 0.5, 1]) };
    const rule: FaultRule = { ...fault, ...often, ...(method && { method }) };
    plan.at(from, { kind: 'gmail_fault', rule, forMs: random.int(300, 1_600) });
  }
}

/** Gmail allows only a few concurrent calls. */
export function quota(plan: PlanBuilder): void {
  const { random } = plan;
  plan.at(plan.moment(0, 0.5), {
    kind: 'switches',
    why: 'Gmail allows few concurrent calls',
    value: { quota: { maxConcurrent: random.int(1, 4) } },
  });
  plan.at(plan.moment(0.6), {
    kind: 'switches',
    why: 'Gmail allows more concurrent calls again',
    value: { quota: { maxConcurrent: null } },
  });
}

export function tokens(plan: PlanBuilder): void {
  const { random } = plan;
  switch (random.pick(['expire', 'expire', 'revoke', 'redeploy', 'rotate', 'second'])) {
    case 'expire':
      for (let n = random.int(1, 4); n > 0; n -= 1) plan.at(plan.moment(), { kind: 'expire_tokens' });
      break;
    case 'revoke':
      plan.at(plan.moment(0, 0.8), { kind: 'revoke', reauthorizedAfterMs: random.int(100, 900) });
      break;
    case 'redeploy':
      plan.at(plan.moment(0, 0.6), { kind: 'redeploy', revokesOld: true, share: 'all' });
      break;
    case 'rotate':
      plan.at(plan.moment(0, 0.6), { kind: 'redeploy', revokesOld: true, share: 'some' });
      break;
    case 'second':
      plan.at(plan.moment(0, 0.6), { kind: 'redeploy', revokesOld: false, share: 'some' });
  }
}

function anyFault(random: RandomChoices, isForOneMessage: boolean): FaultKind {
  switch (random.pick(['status', 'status', 'status', 'reset', 'truncate', 'notJson', 'delay', 'hang'])) {
    case 'reset':
      return { kind: 'reset' };
    case 'truncate':
      return { kind: 'truncate' };
    case 'notJson':
      return { kind: 'notJson' };
    case 'delay':
      return { kind: 'delay', delayMs: random.int(100, 900) };
    case 'hang':
      return { kind: 'hang' };
    case 'status':
      return statusFault(random, isForOneMessage);
  }
}

function statusFault(random: RandomChoices, isForOneMessage: boolean): FaultKind {
  const status = random.pick(
    isForOneMessage ? [400, 403, 403, 429, 500, 503] : [403, 403, 429, 429, 500, 502, 503],
  );
  if (status !== 403) {
    const retry = status === 429 && random.chance(0.3) ? { retryAfterSeconds: 1 } : {};
    return { kind: 'status', status, ...retry };
  }
  // A 403 for one message can be specific to the message; a 403 for all calls is a rate limit.
  const reason = isForOneMessage
    ? random.pick(['rateLimitExceeded', 'forbidden'])
    : random.pick(['rateLimitExceeded', 'userRateLimitExceeded']);
  return { kind: 'status', status, reason };
}

/** Gmail denies messages with an error that is not a rate limit: all of them for a time, or a few until the faults end. */
export function forbidden(plan: PlanBuilder): void {
  const { random } = plan;
  const rule: FaultRule = { kind: 'status', status: 403, reason: 'forbidden', method: 'messages.get' };
  if (random.chance(0.5)) {
    plan.at(plan.moment(0, 0.5), { kind: 'gmail_fault', rule, forMs: random.int(300, 1_600) });
    return;
  }
  for (const mail of random.sample(plan.mails, random.int(1, 3))) {
    mail.hasLastingFault = true;
    plan.at(0, { kind: 'gmail_fault', rule: { ...rule, messageId: mail.gmailMessageId }, forMs: null });
    plan.nearlyDead(mail, mail.atMs + 300);
    plan.at(mail.atMs + 300, { kind: 'time_passes' });
  }
}
