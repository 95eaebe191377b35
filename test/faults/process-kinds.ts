/** Faults of what runs: the functions' processes, the database, the switch. */
import type { Draft } from './draft.ts';

const WORKERS = ['poll', 'pollNow', 'gmailPush'] as const;

export function kills(draft: Draft): void {
  const { chance } = draft;
  for (let n = chance.int(1, 3); n > 0; n -= 1) {
    draft.at(draft.moment(), {
      kind: 'kill',
      whom: chance.happens(0.8) ? 'holder' : chance.pick([...WORKERS]),
      signal: 'SIGKILL',
      agesAfterMs: chance.int(0, 400),
    });
  }
}

export function freeze(draft: Draft): void {
  const { chance } = draft;
  for (let n = chance.int(1, 2); n > 0; n -= 1) {
    draft.at(draft.moment(0, 0.8), { kind: 'freeze', whom: 'holder', forMs: chance.int(300, 1_500) });
    draft.at(draft.moment(0.3), { kind: 'call', target: 'pollNow', count: 2 });
  }
}

export function scale(draft: Draft): void {
  const { chance } = draft;
  for (let n = chance.int(1, 3); n > 0; n -= 1) {
    draft.at(draft.moment(), {
      kind: 'kill',
      whom: chance.pick([...WORKERS, 'holder']),
      signal: 'SIGTERM',
      agesAfterMs: chance.int(0, 400),
    });
    draft.at(draft.moment(), { kind: 'scale_out', target: chance.pick([...WORKERS]) });
  }
}

export function postgres(draft: Draft): void {
  const { chance } = draft;
  draft.at(draft.moment(0, 0.8), {
    kind: 'postgres',
    how: chance.pick(['fast', 'immediate', 'crash']),
    forMs: chance.int(50, 900),
  });
}

export function cuts(draft: Draft): void {
  for (let n = draft.chance.int(1, 3); n > 0; n -= 1) draft.at(draft.moment(), { kind: 'cut' });
}

/** Three pushes and two polls at once. */
export function together(draft: Draft): void {
  for (let n = draft.chance.int(1, 3); n > 0; n -= 1) {
    const at = draft.moment();
    draft.at(at, { kind: 'push', what: 'current', count: 3 });
    draft.at(at, { kind: 'call', target: 'poll', count: 2 });
    draft.at(at, { kind: 'call', target: 'pollNow' });
  }
}

export function stopStart(draft: Draft): void {
  for (let n = draft.chance.int(1, 2); n > 0; n -= 1) {
    const at = draft.moment(0, 0.7);
    draft.at(at, { kind: 'call', target: 'stop' });
    if (draft.chance.happens(0.7)) draft.at(at + draft.chance.int(0, 800), { kind: 'call', target: 'start' });
  }
}

export function clock(draft: Draft): void {
  for (let n = draft.chance.int(1, 3); n > 0; n -= 1) {
    draft.at(draft.moment(), { kind: 'clock', target: draft.chance.pick([...WORKERS, 'status']) });
  }
}
