/** Little-endian reading with bounds, for binary formats in emails: returns null past the end, never throws. */

export class ByteReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  u8(): number | null {
    return this.take(1)?.readUInt8(0) ?? null;
  }

  u16(): number | null {
    return this.take(2)?.readUInt16LE(0) ?? null;
  }

  u32(): number | null {
    return this.take(4)?.readUInt32LE(0) ?? null;
  }

  /** The next bytes as a view; null without advancing when fewer remain. */
  take(length: number): Buffer | null {
    if (length > this.#bytes.length - this.#at) return null;
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** The remaining bytes. */
  rest(): Buffer {
    const left = this.#bytes.subarray(this.#at);
    this.#at = this.#bytes.length;
    return left;
  }
}
