/**
 * Do the clocks agree: the database's, Google's and this machine's? Tokens, leases and the windows of proofs rest on
 * them. How long a question took counts as doubt, not as skew.
 */
import { performance } from 'node:perf_hooks';
import type { Config } from '../../shared/config.ts';
import type { Queryable } from '../../shared/db/database.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

const NAME = 'clock';
/** Where nobody notices yet. */
const SUSPICIOUS_MS = 10_000;
/** Google refuses what is signed so far off. https://developers.google.com/identity/protocols/oauth2/service-account */
const WRONG_MS = 300_000;
const ANSWER_MS = 10_000;
const GMAIL = 'https://gmail.googleapis.com/';

/** Against this machine's clock; positive: ahead of it. */
export interface SeenClock {
  readonly whose: string;
  readonly aheadMs: number;
  /** It may be so much less or more. */
  readonly doubtMs: number;
}

/** @param db null when the database does not answer */
export async function checkClocks(db: Queryable | null, config: Config): Promise<Finding> {
  const [database, google] = await Promise.all([
    db === null ? null : seeDatabase(db),
    seeGoogle(config.gmailApiRootUrl ?? GMAIL),
  ]);
  return judgeClocks({ database, google });
}

/** @param clocks null: could not be looked at */
export function judgeClocks(clocks: Readonly<Record<string, SeenClock | null>>): Finding {
  const seen = Object.values(clocks).filter((clock) => clock !== null);
  const missing = Object.keys(clocks).filter((name) => clocks[name] === null);
  const notSeen = missing.length === 0 ? '' : `; not seen: ${missing.join(', ')}`;
  const said = seen.map(({ whose, aheadMs }) => `${whose} ${signed(aheadMs)}`).join(', ');
  const worst = Math.max(0, ...seen.map(({ aheadMs, doubtMs }) => Math.abs(aheadMs) - doubtMs));
  // Both wrong by the same: it is ours that is off.
  const isOurs = seen.length > 1 && seen.every(({ aheadMs }) => Math.abs(aheadMs) > SUSPICIOUS_MS);
  const remediation = `Set the clock of ${isOurs ? 'this machine' : 'whichever is off'} by NTP (\`timedatectl set-ntp true\`).`;
  if (seen.length === 0)
    return warn(
      NAME,
      `cannot be looked at: ${missing.join(' and ')} did not answer`,
      'Mend the links above first.',
    );
  const text = `against this machine: ${said}${notSeen}`;
  if (worst > WRONG_MS) return fail(NAME, text, remediation);
  if (worst > SUSPICIOUS_MS) return warn(NAME, text, remediation);
  return ok(NAME, text);
}

async function seeDatabase(db: Queryable): Promise<SeenClock | null> {
  try {
    return await timed('the database', 0, async () => {
      const { rows } = await db.query<{ at: Date }>('select clock_timestamp() as at');
      return rows[0]?.at ?? null;
    });
  } catch {
    return null;
  }
}

async function seeGoogle(url: string): Promise<SeenClock | null> {
  try {
    return await timed('Google', 1_000, async () => {
      const answer = await fetch(url, {
        method: 'HEAD',
        redirect: 'manual',
        signal: AbortSignal.timeout(ANSWER_MS),
      });
      return dateOf(answer);
    });
  } catch {
    return null;
  }
}

/** The Date header: whole seconds. */
export function dateOf(answer: Response): Date | null {
  const at = new Date(answer.headers.get('date') ?? Number.NaN);
  return Number.isNaN(at.getTime()) ? null : at;
}

/** @param coarseMs how coarse their answer is */
export async function timed(
  whose: string,
  coarseMs: number,
  ask: () => Promise<Date | null>,
): Promise<SeenClock | null> {
  const from = performance.now();
  const at = await ask();
  const tookMs = performance.now() - from;
  if (at === null) return null;
  const middleMs = Date.now() - tookMs / 2;
  return { whose, aheadMs: at.getTime() + coarseMs / 2 - middleMs, doubtMs: tookMs / 2 + coarseMs / 2 };
}

function signed(ms: number): string {
  return `${ms < 0 ? '-' : '+'}${(Math.abs(ms) / 1_000).toFixed(1)} s`;
}
