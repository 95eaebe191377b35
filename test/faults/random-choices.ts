/** Random choices for plans. The same seed gives the same plan on every machine. */
import { type Random, seededRandom } from '../../emulators/seeded-random.ts';

export class RandomChoices {
  /** A number from 0 (inclusive) to 1 (exclusive). */
  readonly #next: Random;

  /** @param path identifies the purpose, so that an additional draw for one purpose does not change another */
  constructor(seed: number, ...path: readonly (string | number)[]) {
    this.#next = seededRandom(hash([seed, ...path].join('/')));
  }

  chance(probability: number): boolean {
    return this.#next() < probability;
  }

  /** An integer from `low` to `high`, both inclusive. */
  int(low: number, high: number): number {
    return low + Math.floor(this.#next() * (high - low + 1));
  }

  pick<const T>(items: readonly [T, ...T[]]): T {
    return items[this.int(0, items.length - 1)] ?? items[0];
  }

  /** Up to `count` distinct items. */
  sample<T>(items: readonly T[], count: number): T[] {
    const left = [...items];
    const taken: T[] = [];
    while (taken.length < count && left.length > 0)
      taken.push(...left.splice(this.int(0, left.length - 1), 1));
    return taken;
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.alloc(length);
    for (let at = 0; at < length; at += 1) bytes[at] = this.#next() * 256;
    return bytes;
  }

  hex(digits: number): string {
    return Array.from({ length: digits }, () => this.int(0, 15).toString(16)).join('');
  }
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let state = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) {
    state = Math.imul(state ^ text.charCodeAt(at), 0x01000193) >>> 0;
  }
  return state;
}
