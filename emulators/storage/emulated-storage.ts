/**
 * The buckets and objects of an emulated Cloud Storage, in memory. Generations and metagenerations change as Google documents it:
 * https://cloud.google.com/storage/docs/request-preconditions
 */
import { createHash } from 'node:crypto';
import { StorageError } from './storage-error.ts';

export type Operation = 'upload' | 'read' | 'get' | 'list' | 'patch' | 'delete';

export interface StorageCall {
  readonly operation: Operation;
  readonly bucket: string;
  /** Null for a list. */
  readonly name: string | null;
}

/** `hang` never answers. `truncate` breaks the connection after half of the bytes. */
export interface Fault {
  readonly operation?: Operation;
  readonly kind: 'status' | 'hang' | 'truncate';
  readonly status?: number;
  /** Calls that meet it. Default: all. */
  readonly times?: number;
}

export interface StoredObject {
  bytes: Buffer;
  readonly contentType: string;
  readonly generation: number;
  metageneration: number;
  metadata: Readonly<Record<string, string>>;
  readonly timeCreated: Date;
}

/** As in the query parameters. 0 as generation: the object must not exist. */
export interface Preconditions {
  readonly ifGenerationMatch?: string | null;
  readonly ifMetagenerationMatch?: string | null;
}

export class EmulatedStorage {
  readonly #buckets = new Map<string, Map<string, StoredObject>>();
  readonly #faults: { readonly fault: Fault; left: number }[] = [];
  #generation = 1_000;
  /** In the order in which they arrived. */
  readonly calls: StorageCall[] = [];
  /** Calls that met the fault `hang`, and whose client still waits. */
  hangingCount = 0;
  /** Awaited before each call takes effect. */
  beforeCall: (call: StorageCall) => Promise<void> | void = () => undefined;

  createBucket(name: string): void {
    this.#buckets.set(name, new Map());
  }

  deleteBucket(name: string): void {
    this.#buckets.delete(name);
  }

  /** Every bucket exists from its first call on. */
  createsBuckets = false;

  addFault(fault: Fault): void {
    this.#faults.push({ fault, left: fault.times ?? Number.POSITIVE_INFINITY });
  }

  clearFaults(): void {
    this.#faults.length = 0;
  }

  takeFault(operation: Operation): Fault | null {
    const found = this.#faults.find(
      ({ fault, left }) => left > 0 && (fault.operation ?? operation) === operation,
    );
    if (found === undefined) return null;
    found.left -= 1;
    return found.fault;
  }

  /** In alphabetical order. */
  names(bucket: string): string[] {
    return [...this.#bucket(bucket).keys()].sort();
  }

  get(bucket: string, name: string): StoredObject {
    const object = this.#bucket(bucket).get(name);
    if (object === undefined) throw new StorageError(404, `No such object: ${bucket}/${name}`);
    return object;
  }

  put(
    bucket: string,
    name: string,
    content: Pick<StoredObject, 'bytes' | 'contentType'> & {
      readonly metadata?: Readonly<Record<string, string>>;
      readonly md5Hash?: string;
    },
    conditions: Preconditions = {},
  ): StoredObject {
    const objects = this.#bucket(bucket);
    check(objects.get(name), conditions);
    if (content.md5Hash !== undefined && content.md5Hash !== md5Of(content.bytes))
      throw new StorageError(400, 'Provided MD5 hash does not match the uploaded bytes.');
    this.#generation += 1;
    const object = {
      bytes: content.bytes,
      contentType: content.contentType,
      metadata: content.metadata ?? {},
      generation: this.#generation,
      metageneration: 1,
      timeCreated: new Date(),
    };
    objects.set(name, object);
    return object;
  }

  patch(bucket: string, name: string, metadata: Readonly<Record<string, string>>): StoredObject {
    const object = this.get(bucket, name);
    object.metadata = { ...object.metadata, ...metadata };
    object.metageneration += 1;
    return object;
  }

  delete(bucket: string, name: string, conditions: Preconditions = {}): void {
    check(this.get(bucket, name), conditions);
    this.#bucket(bucket).delete(name);
  }

  #bucket(name: string): Map<string, StoredObject> {
    if (this.createsBuckets && !this.#buckets.has(name)) this.createBucket(name);
    const objects = this.#buckets.get(name);
    if (objects === undefined) throw new StorageError(404, 'The specified bucket does not exist.');
    return objects;
  }
}

export function md5Of(bytes: Buffer): string {
  return createHash('md5').update(bytes).digest('base64');
}

/** @throws {StorageError} 412 */
function check(object: StoredObject | undefined, conditions: Preconditions): void {
  const { ifGenerationMatch: generation, ifMetagenerationMatch: metageneration } = conditions;
  const isOtherGeneration = generation != null && Number(generation) !== (object?.generation ?? 0);
  const isOtherMetageneration =
    metageneration != null && Number(metageneration) !== (object?.metageneration ?? 0);
  if (isOtherGeneration || isOtherMetageneration)
    throw new StorageError(412, 'At least one of the pre-conditions you specified did not hold.');
}
