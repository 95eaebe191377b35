/**
 * The bucket of ATTACHMENTS_BUCKET. Objects are named by the hash of their content and never overwritten. Google's client is
 * loaded at the first call.
 * Invariant: every call ends in time, and its error has one of the codes of `isBucketError`, or is `url_signing_denied`.
 */
import { createHash } from 'node:crypto';
import type { Storage } from '@google-cloud/storage';
import type { Config } from '../config.ts';
import type { AppError } from '../errors.ts';
import { isRepeatable, statusOf, toBucketError } from './bucket-error.ts';

/** An upload of the largest email takes a few seconds within a region. */
const CALL_TIMEOUT_MS = 30_000;
/** A slice of a download. */
export const SLICE_BYTES = 4 * 1_048_576;

/** Changes whenever the object is uploaded or touched. */
export interface ObjectVersion {
  readonly generation: string;
  readonly metageneration: string;
}

export interface ObjectInfo extends ObjectVersion {
  readonly sizeBytes: number;
}

export interface ListedObject {
  readonly name: string;
  readonly createdAt: Date;
}

type Client = typeof import('../google/storage.ts');

export interface BucketOptions {
  /** Ends in a slash; null means Google. */
  readonly emulatorUrl: string | null;
  /** Ends in a slash; null means Google. */
  readonly iamRootUrl: string | null;
  readonly callTimeoutMs?: number;
}

export class Bucket {
  readonly name: string;
  /** The longest that a call takes. */
  readonly callTimeoutMs: number;
  readonly #emulatorUrl: string | null;
  readonly #iamRootUrl: string;
  #opened: Promise<Storage> | null = null;

  constructor(name: string, { callTimeoutMs, emulatorUrl, iamRootUrl }: BucketOptions) {
    this.name = name;
    this.callTimeoutMs = callTimeoutMs ?? CALL_TIMEOUT_MS;
    this.#emulatorUrl = emulatorUrl;
    this.#iamRootUrl = iamRootUrl ?? 'https://iamcredentials.googleapis.com/';
  }

  /** @returns null when there is no such object */
  async stat(name: string, timeoutMs?: number): Promise<ObjectInfo | null> {
    return await this.#call(
      async (storage) => {
        const [metadata] = await storage.bucket(this.name).file(name).getMetadata();
        return {
          sizeBytes: Number(metadata.size),
          generation: String(metadata.generation),
          metageneration: String(metadata.metageneration),
        };
      },
      { timeoutMs, onStatus: { 404: null } },
    );
  }

  /** Uploads an object unless it exists. May run twice. */
  async write(
    name: string,
    bytes: Uint8Array,
    { contentType, timeoutMs }: { readonly contentType: string; readonly timeoutMs?: number | undefined },
  ): Promise<'written' | 'exists'> {
    // Cloud Storage rejects bytes that do not have this hash. The client's own check is slow and deletes the object.
    const md5Hash = createHash('md5').update(bytes).digest('base64');
    return await this.#call(
      async (storage) => {
        await storage
          .bucket(this.name)
          .file(name)
          .save(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), {
            resumable: false,
            validation: false,
            metadata: { contentType, md5Hash },
            preconditionOpts: { ifGenerationMatch: 0 },
          });
        return 'written' as const;
      },
      { timeoutMs, onStatus: { 412: 'exists' as const } },
    );
  }

  /** Gives the object another version, so that a delete of the version before fails. @returns false when it does not exist */
  async touch(name: string, timeoutMs?: number): Promise<boolean> {
    return await this.#call(
      async (storage) => {
        await storage
          .bucket(this.name)
          .file(name)
          .setMetadata({ metadata: { reserved_at: new Date().toISOString() } });
        return true;
      },
      { timeoutMs, onStatus: { 404: false } },
    );
  }

  /** Deletes the object if it still has this version. May run twice. */
  async remove(
    name: string,
    { generation, metageneration }: ObjectVersion,
    timeoutMs?: number,
  ): Promise<'removed' | 'changed'> {
    return await this.#call(
      async (storage) => {
        await storage
          .bucket(this.name)
          .file(name)
          .delete({ ifGenerationMatch: generation, ifMetagenerationMatch: metageneration });
        return 'removed' as const;
      },
      { timeoutMs, onStatus: { 404: 'removed' as const, 412: 'changed' as const } },
    );
  }

  /** @param start first byte @returns at most `SLICE_BYTES`, none after the end; null when there is no such object */
  async readSlice(name: string, start: number, timeoutMs?: number): Promise<Buffer | null> {
    const bytes = await this.#call(
      async (storage) => {
        // Not `download` of the client, which adds listeners to one stream until Node warns of a leak.
        const { data } = await storage.authClient.request<ArrayBuffer>({
          url: `${storage.baseUrl}/b/${this.name}/o/${encodeURIComponent(name)}?alt=media`,
          headers: { range: `bytes=${start}-${start + SLICE_BYTES - 1}` },
          responseType: 'arraybuffer',
          retry: false,
        });
        return Buffer.from(data);
      },
      { timeoutMs, onStatus: { 404: null, 416: Buffer.alloc(0) } },
    );
    // The answer does not say whether the object or the bucket is missing.
    if (bytes === null) await this.stat(name, timeoutMs);
    return bytes;
  }

  /** One page of all objects. @returns `nextPage` null at the end */
  async list(page: string | null): Promise<{ objects: ListedObject[]; nextPage: string | null }> {
    return await this.#call(async (storage) => {
      const [files, next] = await storage.bucket(this.name).getFiles({
        autoPaginate: false,
        maxResults: 1_000,
        ...(page !== null && { pageToken: page }),
      });
      return {
        objects: files.map(({ metadata, name }) => ({
          name,
          createdAt: new Date(String(metadata.timeCreated)),
        })),
        nextPage: next?.pageToken ?? null,
      };
    }, {});
  }

  /**
   * A URL with which the object can be downloaded until `expiresAt`, without an account.
   *
   * @throws {AppError} url_signing_denied, bucket_unavailable, bucket_denied, bucket_credentials_missing
   */
  async signedUrl(
    name: string,
    on: { readonly disposition: string; readonly contentType: string; readonly expiresAt: Date },
  ): Promise<string> {
    return await this.#call(async (storage) => {
      const [url] = await storage
        .bucket(this.name)
        .file(name)
        .getSignedUrl({
          version: 'v4',
          action: 'read',
          expires: on.expiresAt,
          responseDisposition: on.disposition,
          responseType: on.contentType,
          signingEndpoint: `${this.#iamRootUrl}v1/projects/-/serviceAccounts/`,
        });
      return url;
    }, {});
  }

  /**
   * Tries twice, because the first request may use a connection that died while the instance was frozen.
   *
   * @param options.onStatus results by HTTP status
   * @throws {AppError} bucket_unavailable, bucket_denied, bucket_credentials_missing
   */
  async #call<T, S>(
    work: (storage: Storage) => Promise<T>,
    options: { readonly timeoutMs?: number | undefined; readonly onStatus?: Readonly<Record<number, S>> },
  ): Promise<T | S> {
    // Loading takes CPU time only, so it does not count against the timeout.
    const client = await import('../google/storage.ts');
    const endsAtMs = performance.now() + (options.timeoutMs ?? this.callTimeoutMs);
    for (let isRetry = false; ; isRetry = true) {
      const leftMs = Math.max(1, Math.ceil(endsAtMs - performance.now()));
      try {
        return await client.callWithin(leftMs, async () => await work(await this.#open(client)));
      } catch (error) {
        const status = statusOf(error);
        const bucketError = toBucketError(error, this.name);
        // A missing bucket is not a missing object.
        const isAnswer = status !== null && Object.hasOwn(options.onStatus ?? {}, status);
        if (isAnswer && !isMissingBucket(bucketError)) return options.onStatus?.[status] as S;
        if (isRetry || !isRepeatable(error)) throw bucketError;
      }
    }
  }

  async #open(client: Client): Promise<Storage> {
    this.#opened ??= client.createStorage(this.#emulatorUrl).catch((error: unknown) => {
      this.#opened = null;
      throw error;
    });
    return await this.#opened;
  }
}

function isMissingBucket({ message }: AppError): boolean {
  return /bucket does not exist/i.test(message);
}

/** One per configuration, so that its parts share the client and its access token. */
const opened = new WeakMap<Config, Bucket>();

/** @returns null without ATTACHMENTS_BUCKET */
export function openBucket(config: Config): Bucket | null {
  const { attachmentsBucket: name, iamCredentialsApiRootUrl: iamRootUrl, storageEmulatorUrl } = config;
  if (name === null) return null;
  const bucket = opened.get(config) ?? new Bucket(name, { emulatorUrl: storageEmulatorUrl, iamRootUrl });
  opened.set(config, bucket);
  return bucket;
}
