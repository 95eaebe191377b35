/**
 * The configuration of a running instance. Environment variables are read once. Credential files are reread, so that new
 * credentials need no deployment: every five minutes, and at each invocation while there are none or Google rejects them.
 * Invariant: `current` returns the same object until the credentials change, so that access tokens built on it stay valid.
 */
import { readFile } from 'node:fs/promises';
import { type Config, type Environment, readConfig } from '../config.ts';
import { areSameCredentials, credentialFiles } from '../credentials.ts';
import type { Clock } from '../deadline.ts';
import type { Log } from '../log.ts';
import { withTimeout } from '../timeout.ts';

/** Not shorter, because each read of a mounted secret is a paid call to Secret Manager. */
const REREAD_MS = 300_000;
/** A mount that hangs must not block an invocation that has credentials. */
const READ_TIMEOUT_MS = 5_000;

export class LiveConfig {
  readonly #env: Environment;
  readonly #log: Log;
  readonly #clock: Clock;
  #config: Config;
  #readAtMs: number;
  #isRejected = false;
  #reading: Promise<void> | null = null;

  /** @param config as just read from the same environment */
  constructor(config: Config, env: Environment, log: Log, clock: Clock) {
    this.#config = config;
    this.#env = env;
    this.#log = log;
    this.#clock = clock;
    this.#readAtMs = clock();
  }

  /** Call at the start of each invocation. Credentials that cannot be reread stay as they were. */
  async current(): Promise<Config> {
    if (this.#isDue()) {
      this.#reading ??= this.#readAgain().finally(() => {
        this.#reading = null;
      });
      await this.#reading;
    }
    return this.#config;
  }

  /** Google rejected the credentials: the next invocation rereads them. */
  onRejected(): void {
    this.#isRejected = true;
  }

  #isDue(): boolean {
    if (credentialFiles(this.#env).length === 0) return false;
    if (this.#isRejected || this.#config.gmail === null) return true;
    return this.#clock() - this.#readAtMs >= REREAD_MS;
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
        'The Gmail credentials cannot be reread; the previous ones stay in use',
        {
          detail: problems.join('; '),
        },
      );
      return;
    }
    this.#isRejected = false;
    const isSame =
      areSameCredentials(config.gmail, this.#config.gmail) &&
      problems.join() === this.#config.credentialProblems.join() &&
      config.missingCredentials.join() === this.#config.missingCredentials.join();
    if (isSame) return;
    if (config.gmail !== null) this.#log.info('credentials_read', 'New Gmail credentials are in use');
    this.#config = config;
  }
}

type Content = string | Error | undefined;

/** Asynchronous, unlike the read at start, because the instance serves other requests. */
async function readAll(paths: readonly string[]): Promise<Map<string, Content>> {
  const read = async (path: string): Promise<readonly [string, Content]> => {
    const content = withTimeout(READ_TIMEOUT_MS, readFile(path, 'utf8'), () =>
      Object.assign(new Error('The file system does not answer.'), { code: 'ETIMEDOUT' }),
    );
    return [path, await content.catch((error: Error) => error)];
  };
  return new Map(await Promise.all(paths.map(read)));
}

function textOf(content: Content): string {
  if (typeof content === 'string') return content;
  throw content ?? new Error('The file was not read.');
}
