/**
 * Manages the processes of the functions as Cloud Run does: several instances per target, which can be killed, frozen and
 * restarted. An unexpected exit is recorded as a violation.
 */
import { join } from 'node:path';
import type { Target } from '../../functions/runtime/targets.ts';
import { type FunctionProcess, startFunction } from '../helpers/child-processes.ts';

/** Instances per target. */
export type InstanceCounts = Readonly<Partial<Record<Target, number>>>;

/** Without faults. */
const INSTANCE_COUNTS: InstanceCounts = {
  poll: 2,
  pollNow: 2,
  gmailPush: 2,
  status: 1,
  start: 1,
  stop: 1,
};
/** Another process may take the free port first. */
const START_TRIES = 4;
/** Offsets of the clock: none, 5 minutes ahead, 4 minutes behind. See `clock-skew.ts`. */
const CLOCK_MS = '0,300000,-240000';
const PRELOAD = join(import.meta.dirname, 'clock-skew.ts');

export interface FunctionInstance {
  readonly target: Target;
  readonly process: FunctionProcess;
  /** The generation of the environment that it was started with. */
  readonly generation: number;
  state: 'up' | 'frozen' | 'ended';
}

export class Processes {
  readonly violations: string[] = [];
  readonly #dist: string;
  readonly #onStart: (number: number, pid: number) => Promise<void>;
  readonly #counts: InstanceCounts;
  #env: Record<string, string>;
  #generation = 0;
  #instances: FunctionInstance[] = [];
  #turn = 0;
  #started = 0;
  /** Log lines of processes that have ended. */
  #pastLog: string[] = [];

  /**
   * @param onStart called for each process before it gets its first request
   * @param counts instances per target without faults
   */
  constructor(
    dist: string,
    env: Record<string, string>,
    onStart: (number: number, pid: number) => Promise<void>,
    counts: InstanceCounts = INSTANCE_COUNTS,
  ) {
    this.#dist = dist;
    this.#onStart = onStart;
    this.#counts = counts;
    this.#env = env;
  }

  /** Sets the environment for new processes. Running processes keep theirs until they are replaced. */
  configure(env: Record<string, string>): void {
    this.#env = { ...this.#env, ...env };
    this.#generation += 1;
  }

  async start(target: Target): Promise<FunctionInstance> {
    const generation = this.#generation;
    this.#started += 1;
    const number = this.#started;
    const env = {
      ...this.#env,
      DATABASE_URL: withInstance(this.#env['DATABASE_URL'] ?? '', number),
      FAULT_CLOCK_MS: CLOCK_MS,
      NODE_OPTIONS: `--import ${PRELOAD}`,
    };
    for (let tries = 1; ; tries += 1) {
      try {
        const process = await startFunction(target, env, this.#dist);
        await this.#onStart(number, process.pid);
        const instance: FunctionInstance = { target, process, generation, state: 'up' };
        this.#instances.push(instance);
        void process.ended.then((how) => this.#onEnd(instance, how));
        return instance;
      } catch (error) {
        if (tries >= START_TRIES) throw error;
      }
    }
  }

  /** Starts missing processes, replaces those with an old environment, and ends surplus ones. */
  async restore(): Promise<void> {
    const old = this.#instances.filter((instance) => instance.generation !== this.#generation);
    await Promise.all(old.map(async (instance) => await this.end(instance)));
    await Promise.all(
      Object.entries(this.#counts).map(async ([name, wanted]) => {
        const target = name as Target;
        const have = this.list(target);
        await Promise.all(have.slice(wanted).map(async (instance) => await this.end(instance)));
        const missing = Math.max(0, wanted - have.length);
        await Promise.all(Array.from({ length: missing }, async () => await this.start(target)));
      }),
    );
  }

  /** The processes that are running or frozen. */
  list(target?: Target): FunctionInstance[] {
    return this.#instances.filter((instance) => target === undefined || instance.target === target);
  }

  /** Selects a running process round-robin, as a load balancer does. Null if there is none. */
  next(target: Target): FunctionInstance | null {
    const up = this.list(target).filter(({ state }) => state === 'up');
    this.#turn += 1;
    return up[this.#turn % Math.max(1, up.length)] ?? null;
  }

  byPid(pid: number): FunctionInstance | null {
    return this.#instances.find((instance) => instance.process.pid === pid) ?? null;
  }

  async end(instance: FunctionInstance, signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    const wasFrozen = instance.state === 'frozen';
    this.#remove(instance);
    const ended = instance.process.kill(signal);
    // A stopped process receives SIGTERM only after it resumes.
    if (wasFrozen) process.kill(instance.process.pid, 'SIGCONT');
    await ended;
  }

  freeze(instance: FunctionInstance): void {
    instance.state = 'frozen';
    process.kill(instance.process.pid, 'SIGSTOP');
  }

  resume(instance: FunctionInstance): void {
    if (instance.state !== 'frozen') return;
    instance.state = 'up';
    process.kill(instance.process.pid, 'SIGCONT');
  }

  jumpClock(instance: FunctionInstance): void {
    if (instance.state !== 'ended') process.kill(instance.process.pid, 'SIGUSR2');
  }

  async endAll(): Promise<void> {
    await Promise.all(this.list().map(async (instance) => await this.end(instance)));
  }

  /** The log lines since the last call. */
  takeLog(): string[] {
    return [...this.#pastLog.splice(0), ...this.#instances.flatMap(logOf)];
  }

  #onEnd(instance: FunctionInstance, how: number | NodeJS.Signals): void {
    if (instance.state === 'ended') return;
    const last = instance.process.logLines.slice(-5).join(' | ');
    this.violations.push(`${instance.target} exited unexpectedly (${how}): ${last}`);
    this.#remove(instance);
  }

  #remove(instance: FunctionInstance): void {
    instance.state = 'ended';
    this.#instances = this.#instances.filter((other) => other !== instance);
    this.#pastLog.push(...logOf(instance));
  }
}

/** Adds the session setting that identifies the process; see `audit.ts`. */
function withInstance(databaseUrl: string, number: number): string {
  const url = new URL(databaseUrl);
  url.searchParams.set('options', `-c faults.instance=${number}`);
  return url.href;
}

function logOf({ target, process }: FunctionInstance): string[] {
  return process.logLines.splice(0).map((line) => `${target} ${process.pid}: ${line}`);
}
