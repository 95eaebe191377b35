/**
 * Mutation fuzzing of the MIME parser, for `npm run fuzz` and its test. It finds crashes, hangs, excessive memory and violated
 * invariants. Worker processes parse; this process watches them, and replaces one that hangs or crashes.
 * Invariant: a seed, a number and the same seed corpus give the same email.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Slowest, WorkerMessage, WorkerTask } from './fuzz-worker.ts';
import { PARSER_THREW, REJECTED } from './invariants.ts';
import { mutatedEmail } from './mutators.ts';
import { type Progress, readProgress } from './progress-file.ts';
import { loadSeedCorpus, type SeedCorpus } from './seed-corpus.ts';
import { Watchdog } from './watchdog.ts';

/** Wall time. It leaves a wide margin for a machine under load, because a parse takes milliseconds. */
const HANG_MS = 15_000;
const CHECK_EVERY_MS = 250;
/** Heap limit of each worker. An email of 1.5 MB leaves a few MB in the heap. */
const HEAP_MB = 256;

export interface FuzzOptions {
  readonly seed: number;
  readonly mails: number;
  /** Number of the first email; 0 by default. */
  readonly from?: number;
  readonly corpus: string | null;
  /** Emails with a finding are saved in this folder. */
  readonly folder: string;
  /** 2 by default. */
  readonly processes?: number;
  readonly onProgress?: (testedCount: number) => void;
}

export interface Finding {
  readonly kind: 'crash' | 'hang' | 'violation';
  readonly number: number;
  readonly what: string;
  /** Path of the saved email. */
  readonly path: string;
}

export interface FuzzReport {
  readonly testedCount: number;
  readonly seedEmailCount: number;
  readonly corpusDigest: string;
  readonly findings: readonly Finding[];
  readonly slowest: Slowest;
  /** Maximum over all worker processes. */
  readonly peakMemoryBytes: number;
}

export async function fuzzMime(options: FuzzOptions): Promise<FuzzReport> {
  const fuzz = new Fuzz(options, await loadSeedCorpus(options.corpus));
  const { processes = 2, from = 0 } = options;
  try {
    await Promise.all(
      Array.from({ length: processes }, async (_, process) => {
        let first: number | null = from + process;
        while (first !== null) first = await fuzz.runShare(first, from + options.mails, processes);
      }),
    );
    return fuzz.report();
  } finally {
    fuzz.close();
  }
}

class Fuzz {
  readonly #options: FuzzOptions;
  readonly #corpus: SeedCorpus;
  readonly #progressFolder = mkdtempSync(join(tmpdir(), 'email-monitor-fuzz-'));
  readonly #findings: Finding[] = [];
  /** One count per worker process. */
  readonly #testedCounts: number[] = [];
  #slowest: Slowest = { number: -1, cpuMs: 0, bytes: 0 };
  #peakMemoryBytes = 0;

  constructor(options: FuzzOptions, corpus: SeedCorpus) {
    this.#options = options;
    this.#corpus = corpus;
  }

  /**
   * Tests every `step`-th email from `first` in one worker process.
   * @returns the number to continue with after a hang or crash; null when the worker reached the end
   */
  async runShare(first: number, end: number, step: number): Promise<number | null> {
    if (first >= end) return null;
    const { seed, corpus, onProgress } = this.#options;
    const share = this.#testedCounts.push(0) - 1;
    const progressPath = join(this.#progressFolder, `${share}`);
    const task: WorkerTask = { seed, corpus, first, end, step, progressPath };
    const child = fork(join(import.meta.dirname, 'fuzz-worker.ts'), [JSON.stringify(task)], {
      execArgv: [`--max-old-space-size=${HEAP_MB}`],
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    });
    let stderr = '';
    child.stderr?.on('data', (chunk) => {
      stderr = `${stderr}${chunk}`.slice(-2_000);
    });
    child.on('message', (message: WorkerMessage) => this.#receive(message));
    const watchdog = new Watchdog(HANG_MS);
    let progress: Progress | null = null;
    const checkProgress = (): void => {
      progress = readProgress(progressPath);
      this.#testedCounts[share] = progress?.startedCount ?? 0;
      onProgress?.(this.#testedCounts.reduce((sum, count) => sum + count, 0));
      if (watchdog.check(progress?.number ?? null)) child.kill('SIGKILL');
    };
    const timer = setInterval(checkProgress, CHECK_EVERY_MS);
    const [code] = (await once(child, 'close')) as [number | null];
    clearInterval(timer);
    checkProgress();
    if (code === 0) return null;
    const { number, isMutated } = (progress as Progress | null) ?? { number: -1, isMutated: false };
    if (!isMutated)
      throw new Error(`The fuzzer itself failed at email ${number}, with exit code ${code}:\n${stderr}`);
    if (watchdog.hasHung) this.#addFinding('hang', number, `hung for more than ${HANG_MS} ms`);
    else this.#addFinding('crash', number, `the worker process ended with exit code ${code}:\n${stderr}`);
    return number + step;
  }

  #receive({ violation, slowest, peakMemoryBytes }: WorkerMessage): void {
    if (slowest !== undefined && slowest.cpuMs > this.#slowest.cpuMs) this.#slowest = slowest;
    this.#peakMemoryBytes = Math.max(this.#peakMemoryBytes, peakMemoryBytes ?? 0);
    if (violation === undefined) return;
    const isCrash = violation.what.startsWith(REJECTED) || violation.what === PARSER_THREW;
    this.#addFinding(isCrash ? 'crash' : 'violation', violation.number, violation.what);
  }

  #addFinding(kind: Finding['kind'], number: number, what: string): void {
    const { folder, seed } = this.#options;
    mkdirSync(folder, { recursive: true });
    const path = join(folder, `seed-${seed}-mail-${number}.eml`);
    writeFileSync(path, mutatedEmail(this.#corpus.emails, seed, number).bytes);
    this.#findings.push({ kind, number, what, path });
  }

  report(): FuzzReport {
    return {
      testedCount: this.#testedCounts.reduce((sum, count) => sum + count, 0),
      seedEmailCount: this.#corpus.emails.length,
      corpusDigest: this.#corpus.digest,
      findings: this.#findings,
      slowest: this.#slowest,
      peakMemoryBytes: this.#peakMemoryBytes,
    };
  }

  close(): void {
    rmSync(this.#progressFolder, { recursive: true, force: true });
  }
}
