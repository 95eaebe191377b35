/**
 * The processes of the functions, as the platform runs them: several of one target, killed, frozen, started again.
 * A process that ends by itself is a defect, and is kept as one.
 */
import { join } from 'node:path';
import type { Target } from '../../functions/runtime/targets.ts';
import { type FunctionProcess, startFunction } from '../helpers/processes.ts';

/** What runs while nothing is wrong. */
const WANTED: Readonly<Partial<Record<Target, number>>> = {
  poll: 2,
  pollNow: 2,
  gmailPush: 2,
  status: 1,
  start: 1,
  stop: 1,
};
/** A port that was free may be taken before the process has it. */
const START_TRIES = 4;
/** Right, then fast, then slow by minutes; see `clock-skew.ts`. */
const CLOCK_MS = '0,300000,-240000';
const PRELOAD = join(import.meta.dirname, 'clock-skew.ts');

export interface Member {
  readonly target: Target;
  readonly process: FunctionProcess;
  /** Of the environment that it was started with. */
  readonly generation: number;
  state: 'up' | 'frozen' | 'ended';
}

export class Processes {
  readonly defects: string[] = [];
  readonly #dist: string;
  readonly #onStart: (number: number, pid: number) => Promise<void>;
  #env: Record<string, string>;
  #generation = 0;
  #members: Member[] = [];
  #turn = 0;
  #started = 0;
  /** Of processes that have ended. */
  #pastLog: string[] = [];

  /** @param onStart told of each process before it gets its first request */
  constructor(
    dist: string,
    env: Record<string, string>,
    onStart: (number: number, pid: number) => Promise<void>,
  ) {
    this.#dist = dist;
    this.#onStart = onStart;
    this.#env = env;
  }

  /** New processes get it; those that run keep theirs until they are replaced. */
  configure(env: Record<string, string>): void {
    this.#env = { ...this.#env, ...env };
    this.#generation += 1;
  }

  async start(target: Target): Promise<Member> {
    const generation = this.#generation;
    this.#started += 1;
    const number = this.#started;
    const env = {
      ...this.#env,
      DATABASE_URL: named(this.#env['DATABASE_URL'] ?? '', number),
      FAULT_CLOCK_MS: CLOCK_MS,
      NODE_OPTIONS: `--import ${PRELOAD}`,
    };
    for (let tries = 1; ; tries += 1) {
      try {
        const process = await startFunction(target, env, this.#dist);
        await this.#onStart(number, process.pid);
        const member: Member = { target, process, generation, state: 'up' };
        this.#members.push(member);
        void process.ended.then((how) => this.#onEnd(member, how));
        return member;
      } catch (error) {
        if (tries >= START_TRIES) throw error;
      }
    }
  }

  /** Starts what is missing, replaces what has an old environment, ends what is too many. */
  async complete(): Promise<void> {
    const old = this.#members.filter((member) => member.generation !== this.#generation);
    await Promise.all(old.map(async (member) => await this.end(member)));
    await Promise.all(
      Object.entries(WANTED).map(async ([name, wanted]) => {
        const target = name as Target;
        const have = this.of(target);
        await Promise.all(have.slice(wanted).map(async (member) => await this.end(member)));
        const missing = Math.max(0, wanted - have.length);
        await Promise.all(Array.from({ length: missing }, async () => await this.start(target)));
      }),
    );
  }

  /** Those that run or are frozen. */
  of(target?: Target): Member[] {
    return this.#members.filter((member) => target === undefined || member.target === target);
  }

  /** As a load balancer chooses: by turns, among those that answer. */
  next(target: Target): Member | null {
    const up = this.of(target).filter(({ state }) => state === 'up');
    this.#turn += 1;
    return up[this.#turn % Math.max(1, up.length)] ?? null;
  }

  byPid(pid: number): Member | null {
    return this.#members.find((member) => member.process.pid === pid) ?? null;
  }

  async end(member: Member, signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    const wasFrozen = member.state === 'frozen';
    this.#leave(member);
    const ended = member.process.kill(signal);
    // A stopped process gets SIGTERM only when it goes on.
    if (wasFrozen) process.kill(member.process.pid, 'SIGCONT');
    await ended;
  }

  freeze(member: Member): void {
    member.state = 'frozen';
    process.kill(member.process.pid, 'SIGSTOP');
  }

  thaw(member: Member): void {
    if (member.state !== 'frozen') return;
    member.state = 'up';
    process.kill(member.process.pid, 'SIGCONT');
  }

  jumpClock(member: Member): void {
    if (member.state !== 'ended') process.kill(member.process.pid, 'SIGUSR2');
  }

  async endAll(): Promise<void> {
    await Promise.all(this.of().map(async (member) => await this.end(member)));
  }

  /** The log lines since the last call. */
  takeLog(): string[] {
    return [...this.#pastLog.splice(0), ...this.#members.flatMap(logOf)];
  }

  #onEnd(member: Member, how: number | NodeJS.Signals): void {
    if (member.state === 'ended') return;
    const last = member.process.logLines.slice(-5).join(' | ');
    this.defects.push(`${member.target} ended by itself (${how}): ${last}`);
    this.#leave(member);
  }

  #leave(member: Member): void {
    member.state = 'ended';
    this.#members = this.#members.filter((other) => other !== member);
    this.#pastLog.push(...logOf(member));
  }
}

/** Each session says whose it is; see `audit.ts`. */
function named(databaseUrl: string, number: number): string {
  const url = new URL(databaseUrl);
  url.searchParams.set('options', `-c faults.member=${number}`);
  return url.href;
}

function logOf({ target, process }: Member): string[] {
  return process.logLines.splice(0).map((line) => `${target} ${process.pid}: ${line}`);
}
