/**
 * Puts large bytes into the bucket before the commit that refers to them: announces the objects in a commit of its own, then uploads
 * what is not there.
 * Invariant: when `keep` resolves, every object exists, and the collection leaves it for at least a day. The caller commits long
 * before that.
 */
import { CircuitBreaker } from '../circuit-breaker.ts';
import type { Config } from '../config.ts';
import type { Queryable } from '../db/database.ts';
import type { Clock, Deadline } from '../deadline.ts';
import { AppError, toAppError } from '../errors.ts';
import { withTimeout } from '../timeout.ts';
import { type Bucket, openBucket } from './bucket.ts';
import { reserveObjects } from './bucket-objects.ts';

export interface LargeObject {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly contentType: string;
}

export interface KeptObjects {
  readonly names: ReadonlySet<string>;
  /** Rows of `bucket_objects` that the commit deletes. */
  readonly reservationIds: readonly number[];
}

export const NOTHING_KEPT: KeptObjects = { names: new Set(), reservationIds: [] };

/**
 * A call without an answer for this time is a failure of the bucket, also when the deadline ends it: runs of many mailboxes have no time
 * for a whole timeout. Longer than an upload of the largest email takes.
 */
const HANG_MS = 5_000;
/** The same in a run that has less than twice that time. */
const SHORT_RUN_HANG_MS = 3_000;
/** A timer can fire so much before its time. */
const EARLY_MS = 1;
/** A collection may delete the object between two calls, and does so at most once per day. */
const MAX_TRIES = 3;

export class LargeBytes {
  readonly bucket: Bucket;
  readonly #minBytes: number;
  readonly #breaker: CircuitBreaker;
  /** By name, so that an instance uploads the same file once. */
  readonly #uploads = new Map<string, Promise<void>>();

  constructor(bucket: Bucket, minBytes: number, clock?: Clock) {
    this.bucket = bucket;
    this.#minBytes = minBytes;
    this.#breaker = new CircuitBreaker(clock);
  }

  isLarge(sizeBytes: number): boolean {
    return sizeBytes >= this.#minBytes;
  }

  /** The bucket has just failed, so an upload would fail at once. */
  get isPaused(): boolean {
    return this.#breaker.error !== null;
  }

  /** @throws {AppError} bucket_unavailable, bucket_denied, bucket_credentials_missing, out_of_time, database_unavailable */
  async keep(db: Queryable, objects: readonly LargeObject[], deadline: Deadline): Promise<KeptObjects> {
    if (objects.length === 0) return NOTHING_KEPT;
    if (this.#breaker.error !== null) throw this.#breaker.error;
    const byName = new Map(objects.map((object) => [object.name, object]));
    const { ids, referenced } = await reserveObjects(db, [...byName.keys()]);
    for (const object of byName.values()) {
      try {
        await this.#provide(object, referenced.has(object.name), deadline);
        this.#breaker.close();
      } catch (thrown) {
        const error = toAppError(thrown);
        if (error.code !== 'out_of_time') this.#breaker.open(error);
        throw error;
      }
    }
    return { names: new Set(byName.keys()), reservationIds: ids };
  }

  /**
   * Another upload of this instance began after its own announcement, so it also protects this caller's object. It may be of another
   * mailbox: when only its run is out of time, this caller uploads.
   */
  async #provide(object: LargeObject, isReferenced: boolean, deadline: Deadline): Promise<void> {
    for (;;) {
      const running = this.#uploads.get(object.name);
      if (running === undefined) break;
      try {
        return await withTimeout(deadline.remainingMs(), running, outOfTime);
      } catch (thrown) {
        if (toAppError(thrown).code !== 'out_of_time' || deadline.remainingMs() === 0) throw thrown;
      }
    }
    const upload = this.#upload(object, isReferenced, deadline).finally(() =>
      this.#uploads.delete(object.name),
    );
    this.#uploads.set(object.name, upload);
    await upload;
  }

  async #upload(
    { bytes, contentType, name }: LargeObject,
    isReferenced: boolean,
    deadline: Deadline,
  ): Promise<void> {
    // No collection deletes an object to which a row refers.
    if (
      isReferenced &&
      (await this.#within(deadline, async (ms) => await this.bucket.stat(name, ms))) !== null
    )
      return;
    for (let tries = 1; tries <= MAX_TRIES; tries += 1) {
      const result = await this.#within(
        deadline,
        async (timeoutMs) => await this.bucket.write(name, bytes, { contentType, timeoutMs }),
      );
      if (result === 'written') return;
      // A collection may be about to delete it. It fails after this, or has deleted it before.
      if (await this.#within(deadline, async (ms) => await this.bucket.touch(name, ms))) return;
    }
    throw new AppError(
      'bucket_unavailable',
      `The object ${name} was deleted ${MAX_TRIES} times while it was uploaded.`,
    );
  }

  /** @throws {AppError} out_of_time when the deadline ended a short call */
  async #within<T>(deadline: Deadline, call: (timeoutMs: number) => Promise<T>): Promise<T> {
    const leftMs = deadline.remainingMs();
    if (leftMs <= 0) throw outOfTime();
    const { callTimeoutMs } = this.bucket;
    const hangMs = deadline.lengthMs < 2 * HANG_MS ? SHORT_RUN_HANG_MS : HANG_MS;
    try {
      return await call(Math.min(callTimeoutMs, leftMs));
    } catch (error) {
      throw leftMs < Math.min(callTimeoutMs, hangMs) && !deadline.hasTimeFor(EARLY_MS) ? outOfTime() : error;
    }
  }
}

function outOfTime(): AppError {
  return new AppError('out_of_time', 'The upload of a large attachment did not end in time.');
}

/** @returns null without ATTACHMENTS_BUCKET: all bytes are stored in the database */
export function openLargeBytes(config: Config, clock?: Clock): LargeBytes | null {
  const bucket = openBucket(config);
  return bucket === null ? null : new LargeBytes(bucket, config.attachmentsMinBytes, clock);
}
