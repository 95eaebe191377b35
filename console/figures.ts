/** The figures under the state: how fresh, how complete, what waits, what it costs. */
import type { Overview } from './contract.ts';
import { byId, type Child, element, fill } from './element.ts';
import { counted, number } from './quantities.ts';
import { currentMailbox } from './states.ts';
import { ageOf, spanSince, timeOf } from './times.ts';

let shown = '';

export function showFigures(overview: Overview): void {
  // What ticks, ticks by itself.
  const text = JSON.stringify({ ...overview, now: '' });
  if (text === shown) return;
  shown = text;
  showFreshness(overview);
  showProof(overview);
  showBacklog(overview);
  showQuota(overview);
}

function showFreshness({ freshness }: Overview): void {
  const { newest_proven_at: proven, newest_stored_at: stored } = freshness;
  show('fresh', proven === null ? '–' : spanSince(proven), [
    proven === null ? 'Nothing is proven yet.' : 'is the age of the newest mail that is proven stored.',
    ...(stored === null ? [] : [' Newest stored ', ageOf(stored), '.']),
  ]);
}

function showProof(overview: Overview): void {
  const mailbox = currentMailbox(overview);
  const proof = mailbox?.proof ?? null;
  byId('proof').classList.toggle('is-bad', (proof?.missing_count ?? 0) > 0);
  if (proof === null) {
    show('proof', '–', ['missing. The first comparison with Gmail is still to come.']);
    return;
  }
  // The ledger also knows what is left out by a rule, gone or given up: known is not stored.
  show('proof', number(proof.missing_count), [
    `missing. Gmail listed ${counted(proof.gmail_count, 'message')}`,
    ...(proof.since === null ? [] : [' since ', timeOf(proof.since)]),
    `, and the ledger knows ${number(proof.ledger_count)}. Compared `,
    ageOf(proof.proved_at),
    '.',
  ]);
}

function showBacklog(overview: Overview): void {
  const mailbox = currentMailbox(overview);
  const oldest = mailbox?.oldest_pending_at ?? null;
  byId('waiting').classList.toggle('is-busy', overview.pending_count > 0);
  show('waiting', number(overview.pending_count), [
    'waiting to be fetched.',
    ...(oldest === null ? [] : [' The oldest since ', spanSince(oldest), '.']),
    ` ${number(mailbox?.ledger.stored ?? 0)} stored in all.`,
  ]);
  byId('dead').classList.toggle('is-bad', overview.dead_count > 0);
  show('dead', number(overview.dead_count), [
    overview.dead_count === 0 ? 'given up.' : 'given up after every attempt failed: see below.',
  ]);
}

function showQuota({ quota }: Overview): void {
  const share = quota.minute_limit === 0 ? 0 : Math.min(1, quota.minute_used / quota.minute_limit);
  const meter = element('meter', {
    min: 0,
    max: 1,
    value: share.toFixed(3),
    high: 0.9,
    'aria-label': 'Share of the Gmail quota used in the last minute',
  });
  show('quota', `${Math.round(share * 100)} %`, [
    `of the Gmail quota: ${number(quota.minute_used)} of ${number(quota.minute_limit)} units this minute. Today's cycles took ${number(quota.today_used)}.`,
    meter,
  ]);
}

function show(id: string, value: Child, explained: readonly Child[]): void {
  const box = byId(id);
  fill(box, element('dt', {}, value), element('dd', {}, ...explained));
}
