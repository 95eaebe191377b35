/**
 * The configuration of a running instance. The environment stays as it was at the start; credentials that come from
 * files are read again, so that new ones are taken without a deployment: after five minutes, and at the next
 * invocation while there are none or Google refuses them.
 * What must stay true: as long as nothing changes it is the same object, and what was built on it (access tokens) lives.
 */
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { type Config, type Environment, readConfig } from '../config.ts';
import { areSameCredentials, credentialFiles } from '../credentials.ts';
import type { Clock } from '../deadline.ts';
import type { Log } from '../log.ts';

/** Each reading of a mounted secret is a paid call of Secret Manager. */
const READ_AGAIN_MS = 300_000;
/** A mount that hangs must not hold an invocation up that has credentials. */
const READ_MS = 5_000;

export class LiveConfig {
  readonly #env: Environment;
  readonly #log: Log;
  readonly #clock: Clock;
  #config: Config;
  #readAtMs: number;
  #isRefused = false;
  #reading: Promise<void> | null = null;

  /** @param config as just read from the same environment */
  constructor(config: Config, env: Environment, log: Log, clock: Clock) {
    this.#config = config;
    this.#env = env;
    this.#log = log;
    this.#clock = clock;
    this.#readAtMs = clock();
  }

  /** Called at the beginning of an invocation. Credentials that cannot be read again stay as they were. */
  async current(): Promise<Config> {
    if (this.#isDue()) {
      this.#reading ??= this.#readAgain().finally(() => {
        this.#reading = null;
      });
      await this.#reading;
    }
    return this.#config;
  }

  /** Google did not take the credentials: the next invocation looks for others. */
  refused(): void {
    this.#isRefused = true;
  }

  #isDue(): boolean {
    if (credentialFiles(this.#env).length === 0) return false;
    if (this.#isRefused || this.#config.gmail === null) return true;
    return this.#clock() - this.#readAtMs >= READ_AGAIN_MS;
  }

  async #readAgain(): Promise<void> {
    this.#readAtMs = this.#clock();
    const contents = await readAll(credentialFiles(this.#env));
    const config = readConfig(this.#env, (path) => textOf(contents.get(path)));
    const { credentialProblems: problems } = config;
    if (problems.length > 0 && this.#config.gmail !== null) {
      this.#log.write(
        'WARNING',
        'credentials_read',
        'The Gmail credentials cannot be read again; the known ones stay',
        {
          detail: problems.join('; '),
        },
      );
      return;
    }
    this.#isRefused = false;
    const isSame =
      areSameCredentials(config.gmail, this.#config.gmail) &&
      problems.join() === this.#config.credentialProblems.join() &&
      config.missingCredentials.join() === this.#config.missingCredentials.join();
    if (isSame) return;
    if (config.gmail !== null) this.#log.info('credentials_read', 'New Gmail credentials are taken');
    this.#config = config;
  }
}

type Content = string | Error | undefined;

/** Not in the synchronous way of the start: others are served meanwhile. */
async function readAll(paths: readonly string[]): Promise<Map<string, Content>> {
  const late = new AbortController();
  const timeout = delay(READ_MS, undefined, { signal: late.signal, ref: false }).catch(() => undefined);
  const read = async (path: string): Promise<readonly [string, Content]> => {
    const content = readFile(path, 'utf8').catch((error: Error) => error);
    return [path, await Promise.race([content, timeout.then(() => undefined)])];
  };
  try {
    return new Map(await Promise.all(paths.map(read)));
  } finally {
    late.abort();
  }
}

function textOf(content: Content): string {
  if (typeof content === 'string') return content;
  throw content ?? Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' });
}
