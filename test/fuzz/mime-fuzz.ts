/**
 * Mutation fuzz of the MIME reader: no crash, no hang, no blow-up of memory, and results that keep their promises,
 * whatever the bytes. Two processes read, this one watches: who hangs or dies is named and replaced.
 * A seed, a number and the same start emails give the same email again.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ReaderMessage, ReaderOrder, Slowest } from './fuzz-reader.ts';
import { loadStarts, type Starts } from './fuzz-starts.ts';
import { HangWatch } from './hang-watch.ts';
import { mutatedMail } from './mutators.ts';
import { type Place, readPlace } from './place.ts';

/** Wall clock. A reading takes milliseconds; a machine under load stretches that, but not so far. */
const HANG_MS = 15_000;
const LOOK_EVERY_MS = 250;
/** Of the JavaScript heap; a mail of 1.5 MB leaves a few MB there. */
const HEAP_MB = 256;

export interface FuzzOptions {
  readonly seed: number;
  readonly mails: number;
  /** Number of the first mail, 0 unless given. */
  readonly from?: number;
  readonly corpus: string | null;
  /** The folder for emails that fail. */
  readonly folder: string;
  /** 2 unless given. */
  readonly processes?: number;
  readonly onProgress?: (tried: number) => void;
}

export interface Finding {
  readonly kind: 'crash' | 'hang' | 'fault';
  readonly number: number;
  readonly what: string;
  /** Holds the mail. */
  readonly path: string;
}

export interface FuzzReport {
  readonly tried: number;
  readonly startCount: number;
  readonly startDigest: string;
  readonly findings: readonly Finding[];
  readonly slowest: Slowest;
  /** Of the process that took most. */
  readonly peakMemoryBytes: number;
}

export async function fuzzMime(options: FuzzOptions): Promise<FuzzReport> {
  const fuzz = new Fuzz(options, await loadStarts(options.corpus));
  const { processes = 2, from = 0 } = options;
  try {
    await Promise.all(
      Array.from({ length: processes }, async (_, process) => {
        let first: number | null = from + process;
        while (first !== null) first = await fuzz.readShare(first, from + options.mails, processes);
      }),
    );
    return fuzz.report();
  } finally {
    fuzz.close();
  }
}

class Fuzz {
  readonly #options: FuzzOptions;
  readonly #starts: Starts;
  readonly #places = mkdtempSync(join(tmpdir(), 'email-monitor-fuzz-'));
  readonly #findings: Finding[] = [];
  /** By process. */
  readonly #tried: number[] = [];
  #slowest: Slowest = { number: -1, cpuMs: 0, bytes: 0 };
  #peakMemoryBytes = 0;

  constructor(options: FuzzOptions, starts: Starts) {
    this.#options = options;
    this.#starts = starts;
  }

  /** Every `step`-th mail from `first`. @returns where to continue when its process did not reach the end */
  async readShare(first: number, end: number, step: number): Promise<number | null> {
    if (first >= end) return null;
    const { seed, corpus, onProgress } = this.#options;
    const share = this.#tried.push(0) - 1;
    const placePath = join(this.#places, `${share}`);
    const order: ReaderOrder = { seed, corpus, first, end, step, placePath };
    const child = fork(join(import.meta.dirname, 'fuzz-reader.ts'), [JSON.stringify(order)], {
      execArgv: [`--max-old-space-size=${HEAP_MB}`],
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    });
    let stderr = '';
    child.stderr?.on('data', (chunk) => {
      stderr = `${stderr}${chunk}`.slice(-2_000);
    });
    child.on('message', (message: ReaderMessage) => this.#hear(message));
    const watch = new HangWatch(HANG_MS);
    let place: Place | null = null;
    const look = (): void => {
      place = readPlace(placePath);
      this.#tried[share] = place?.begun ?? 0;
      onProgress?.(this.#tried.reduce((sum, count) => sum + count, 0));
      if (watch.hangsAt(place?.number ?? null)) child.kill('SIGKILL');
    };
    const looking = setInterval(look, LOOK_EVERY_MS);
    const [code] = (await once(child, 'close')) as [number | null];
    clearInterval(looking);
    look();
    if (code === 0) return null;
    const { number, isMade } = (place as Place | null) ?? { number: -1, isMade: false };
    if (!isMade) throw new Error(`The fuzz itself failed at mail ${number}, with ${code}:\n${stderr}`);
    if (watch.hasHung) this.#find('hang', number, `hangs for more than ${HANG_MS} ms`);
    else this.#find('crash', number, `its process ended with ${code}:\n${stderr}`);
    return number + step;
  }

  #hear({ fault, slowest, peakMemoryBytes }: ReaderMessage): void {
    if (slowest !== undefined && slowest.cpuMs > this.#slowest.cpuMs) this.#slowest = slowest;
    this.#peakMemoryBytes = Math.max(this.#peakMemoryBytes, peakMemoryBytes ?? 0);
    if (fault === undefined) return;
    const isCrash = fault.what.startsWith('rejected') || fault.what === 'the reader threw';
    this.#find(isCrash ? 'crash' : 'fault', fault.number, fault.what);
  }

  #find(kind: Finding['kind'], number: number, what: string): void {
    const { folder, seed } = this.#options;
    mkdirSync(folder, { recursive: true });
    const path = join(folder, `seed-${seed}-mail-${number}.eml`);
    writeFileSync(path, mutatedMail(this.#starts.mails, seed, number).bytes);
    this.#findings.push({ kind, number, what, path });
  }

  report(): FuzzReport {
    return {
      tried: this.#tried.reduce((sum, count) => sum + count, 0),
      startCount: this.#starts.mails.length,
      startDigest: this.#starts.digest,
      findings: this.#findings,
      slowest: this.#slowest,
      peakMemoryBytes: this.#peakMemoryBytes,
    };
  }

  close(): void {
    rmSync(this.#places, { recursive: true, force: true });
  }
}
