/** The steps of a deployment as a person follows them: what runs, what is done, and at a failure how to go on. */
import { DeployError } from './deploy-error.ts';
import { Interrupted } from './interruption.ts';

export class Progress {
  readonly #say: (text: string) => void;
  readonly #done: string[] = [];

  readonly #goOn: string;

  /** @param command what to run again after a failure */
  constructor(say: (text: string) => void, command: string) {
    this.#say = say;
    this.#goOn = `Go on: \`${command}\` again, as often as needed; what is done already is found done.`;
  }

  /** @param done said at a failure of a later step. @throws {Error} that tells the step, why, and how to go on */
  async step<Result>(name: string, done: string, work: () => Promise<Result>): Promise<Result> {
    this.#say(`\n== ${name}`);
    try {
      const result = await work();
      this.#done.push(done);
      return result;
    } catch (error) {
      if (error instanceof Interrupted || isAbort(error)) throw new Interrupted(this.#interrupted(name));
      throw new Error(this.#stopped(name, error), { cause: error });
    }
  }

  #stopped(name: string, error: unknown): string {
    const why = error instanceof Error ? error.message : String(error);
    const remediation = error instanceof DeployError ? [`Remediation: ${error.remediation}`] : [];
    return [`\nStopped at: ${name}`, `Why: ${why}`, ...remediation, this.#soFar(), this.#goOn].join('\n');
  }

  #interrupted(name: string): string {
    return [`\nInterrupted at: ${name}`, this.#soFar(), this.#goOn].join('\n');
  }

  #soFar(): string {
    return `Done: ${this.#done.length === 0 ? 'nothing; nothing was changed' : this.#done.join('; ')}.`;
  }
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}
