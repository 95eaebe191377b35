/** The kinds of fault. Each adds events to the plan of a round. */
import { forbidden, items, quota, storm, tokens } from './gmail-kinds.ts';
import {
  changes,
  expired,
  lag,
  longHistory,
  noise,
  pushes,
  rename,
  trashBehindLag,
} from './mailbox-kinds.ts';
import type { PlanBuilder } from './plan-builder.ts';
import {
  clock,
  controlRaces,
  cuts,
  diskFull,
  freeze,
  kills,
  postgres,
  scale,
  stopStart,
  together,
} from './process-kinds.ts';

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
  'disk-full': diskFull,
  forbidden,
  rename,
  'long-history': longHistory,
  'trash-behind-lag': trashBehindLag,
  'control-races': controlRaces,
} as const satisfies Record<string, (plan: PlanBuilder) => void>;

export type KindName = keyof typeof KINDS;
export const KIND_NAMES = Object.keys(KINDS) as readonly KindName[];
