/**
 * Compares this machine's clock with those of the database and Google, because tokens, leases and time windows depend on
 * them. The time that a request takes counts as uncertainty, not as an offset.
 */
import { performance } from 'node:perf_hooks';
import type { Config } from '../../shared/config.ts';
import type { Queryable } from '../../shared/db/database.ts';
import { type CheckResult, fail, ok, warn } from './check-result.ts';

const NAME = 'clock';
/** Everything still works with this offset. */
const WARN_OFFSET_MS = 10_000;
/** Google rejects signatures with this offset. https://developers.google.com/identity/protocols/oauth2/service-account */
const FAIL_OFFSET_MS = 300_000;
const TIMEOUT_MS = 10_000;
const GMAIL = 'https://gmail.googleapis.com/';

/** A clock relative to this machine's. */
export interface ClockReading {
  /** `Google` */
  readonly owner: string;
  /** Positive: the clock is ahead of this machine's. */
  readonly offsetMs: number;
  /** The true offset differs by at most this much. */
  readonly uncertaintyMs: number;
}

/** @param db null when the database does not answer */
export async function checkClocks(db: Queryable | null, config: Config): Promise<CheckResult> {
  const [database, google] = await Promise.all([
    db === null ? null : readDatabaseClock(db),
    readGoogleClock(config.gmailApiRootUrl ?? GMAIL),
  ]);
  return compareClocks({ database, google });
}

/** @param clocks by name; null: could not be read */
export function compareClocks(clocks: Readonly<Record<string, ClockReading | null>>): CheckResult {
  const readings = Object.values(clocks).filter((clock) => clock !== null);
  const missing = Object.keys(clocks).filter((name) => clocks[name] === null);
  const worstMs = Math.max(
    0,
    ...readings.map(({ offsetMs, uncertaintyMs }) => Math.abs(offsetMs) - uncertaintyMs),
  );
  if (readings.length === 0)
    return warn(
      NAME,
      `could not be checked: ${missing.join(' and ')} did not answer`,
      'Fix the failures above first.',
    );
  // If every other clock differs, this machine's clock is wrong.
  const isThisMachine =
    readings.length > 1 && readings.every(({ offsetMs }) => Math.abs(offsetMs) > WARN_OFFSET_MS);
  const remediation = `Set the clock of ${isThisMachine ? 'this machine' : 'the machine that differs'} by NTP (\`timedatectl set-ntp true\`).`;
  const offsets = readings.map(({ owner, offsetMs }) => `${owner} ${signed(offsetMs)}`).join(', ');
  const text = `relative to this machine: ${offsets}${missing.length === 0 ? '' : `; unknown: ${missing.join(', ')}`}`;
  if (worstMs > FAIL_OFFSET_MS) return fail(NAME, text, remediation);
  if (worstMs > WARN_OFFSET_MS) return warn(NAME, text, remediation);
  return ok(NAME, text);
}

async function readDatabaseClock(db: Queryable): Promise<ClockReading | null> {
  try {
    return await readClock('the database', 0, async () => {
      const { rows } = await db.query<{ at: Date }>('select clock_timestamp() as at');
      return rows[0]?.at ?? null;
    });
  } catch {
    return null;
  }
}

async function readGoogleClock(url: string): Promise<ClockReading | null> {
  try {
    return await readClock('Google', 1_000, async () =>
      dateOf(
        await fetch(url, { method: 'HEAD', redirect: 'manual', signal: AbortSignal.timeout(TIMEOUT_MS) }),
      ),
    );
  } catch {
    return null;
  }
}

/** The Date header, in whole seconds. */
export function dateOf(response: Response): Date | null {
  const at = new Date(response.headers.get('date') ?? Number.NaN);
  return Number.isNaN(at.getTime()) ? null : at;
}

/**
 * @param resolutionMs of the time that `read` returns
 * @returns null when `read` returns null
 */
export async function readClock(
  owner: string,
  resolutionMs: number,
  read: () => Promise<Date | null>,
): Promise<ClockReading | null> {
  const startedMs = performance.now();
  const at = await read();
  const elapsedMs = performance.now() - startedMs;
  if (at === null) return null;
  const middleMs = Date.now() - elapsedMs / 2;
  return {
    owner,
    offsetMs: at.getTime() + resolutionMs / 2 - middleMs,
    uncertaintyMs: elapsedMs / 2 + resolutionMs / 2,
  };
}

function signed(ms: number): string {
  return `${ms < 0 ? '-' : '+'}${(Math.abs(ms) / 1_000).toFixed(1)} s`;
}
