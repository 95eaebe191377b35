/** The kinds of fault, each adding its own happenings to the draft of a round. */
import type { Draft } from './draft.ts';
import { items, quota, storm, tokens } from './gmail-kinds.ts';
import { changes, expired, lag, noise, pushes } from './mailbox-kinds.ts';
import { clock, cuts, freeze, kills, postgres, scale, stopStart, together } from './process-kinds.ts';

export const KINDS = {
  kills,
  freeze,
  scale,
  postgres,
  cuts,
  together,
  'stop-start': stopStart,
  clock,
  pushes,
  lag,
  expired,
  changes,
  noise,
  items,
  storm,
  quota,
  tokens,
} as const satisfies Record<string, (draft: Draft) => void>;

export type KindName = keyof typeof KINDS;
export const KIND_NAMES = Object.keys(KINDS) as readonly KindName[];
