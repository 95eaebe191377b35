/** The steps of a deployment: prints each one, and after a failure what is done and how to continue. */
import { Interrupted } from '../support/shutdown-signal.ts';
import { DeployError } from './deploy-error.ts';

export class DeploySteps {
  readonly #say: (text: string) => void;
  readonly #done: string[] = [];
  readonly #howToContinue: string;

  /** @param command to run again after a failure */
  constructor(say: (text: string) => void, command: string) {
    this.#say = say;
    this.#howToContinue = `To continue, run \`${command}\` again; it is safe to repeat.`;
  }

  /**
   * @param done describes the finished step, when a later step fails
   * @throws {Interrupted} or {Error} with the step, the reason and how to continue
   */
  async run<Result>(name: string, done: string, work: () => Promise<Result>): Promise<Result> {
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
    const message = error instanceof Error ? error.message : String(error);
    const remediation = error instanceof DeployError ? [`Remediation: ${error.remediation}`] : [];
    return [
      `\nStopped at: ${name}`,
      `Why: ${message}`,
      ...remediation,
      this.#doneLine(),
      this.#howToContinue,
    ].join('\n');
  }

  #interrupted(name: string): string {
    return [`\nInterrupted at: ${name}`, this.#doneLine(), this.#howToContinue].join('\n');
  }

  #doneLine(): string {
    return `Done: ${this.#done.length === 0 ? 'nothing; nothing was changed' : this.#done.join('; ')}.`;
  }
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}
