/**
 * Calls the function `migrate` when this instance has met a schema that is older than its code, so that a deployment needs no
 * further step. Used by every other function, after each response.
 * Invariant: an instance calls `migrate` at most once per minute, and while the schema is current it costs nothing.
 */
import type { SchemaCheck } from '../db/schema/schema-check.ts';
import { type Clock, monotonicClock } from '../deadline.ts';
import { AppError, toAppError } from '../errors.ts';
import type { HttpResponse } from '../http.ts';
import type { Log } from '../log.ts';
import { withTimeout } from '../timeout.ts';
import { callMigrate } from './call-migrate.ts';

const INTERVAL_MS = 60_000;
/** Longer than a usual migration with a cold start, and short enough for every caller of a function. */
const WAIT_MS = 25_000;
/** While another call migrates. */
const BUSY_RETRY_AFTER_SECONDS = 5;

export interface SelfMigrationOptions {
  /** Of the service `migrate`; also the audience of the identity token. */
  readonly url: string;
  readonly check: SchemaCheck;
  readonly log: Log;
  readonly clock?: Clock;
  /** How long a request waits for `migrate`. */
  readonly waitMs?: number;
}

export class SelfMigration {
  readonly #options: SelfMigrationOptions;
  readonly #clock: Clock;
  /** Resolves to the seconds after which the caller should call again. */
  #call: Promise<number> | null = null;
  #calledAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: SelfMigrationOptions) {
    this.#options = options;
    this.#clock = options.clock ?? monotonicClock;
  }

  /**
   * Call with each response. Calls `migrate` first if the schema needs it. It waits for the answer, because Cloud Run allocates
   * CPU only during a request. A longer migration continues, and the next requests wait for the same call.
   *
   * @returns the response; with Retry-After when it is a 503 and the schema needed `migrate`
   */
  async complete(response: HttpResponse): Promise<HttpResponse> {
    if (!this.#options.check.needsMigrate) return response;
    const retryAfterSeconds = await this.#migrate();
    if (response.status !== 503) return response;
    return { ...response, headers: { ...response.headers, 'retry-after': String(retryAfterSeconds) } };
  }

  async #migrate(): Promise<number> {
    const waitedMs = this.#clock() - this.#calledAtMs;
    if (this.#call === null) {
      if (waitedMs < INTERVAL_MS) return Math.ceil((INTERVAL_MS - waitedMs) / 1_000);
      this.#calledAtMs = this.#clock();
      this.#call = this.#callOnce().finally(() => {
        this.#call = null;
      });
    }
    const late = () => new AppError('migration_running', 'migrate has not answered yet.');
    return await withTimeout(this.#options.waitMs ?? WAIT_MS, this.#call, late).catch(
      () => BUSY_RETRY_AFTER_SECONDS,
    );
  }

  /** Never rejects. */
  async #callOnce(): Promise<number> {
    const { check, log, url } = this.#options;
    try {
      const appliedCount = await callMigrate(url);
      check.onMigrated();
      log.info('migrate_called', 'The function migrate updated the schema and the grants', {
        applied_count: appliedCount,
      });
      return 1;
    } catch (thrown) {
      const error = toAppError(thrown);
      log.write(error.severity, 'migrate_called', `${error.title}: ${error.message}`, {
        error_code: error.code,
        remediation: error.remediation,
      });
      return error.code === 'migration_running' ? BUSY_RETRY_AFTER_SECONDS : INTERVAL_MS / 1_000;
    }
  }
}
