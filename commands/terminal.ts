/** What commands share towards the person who started them: options, lines, Ctrl-C. */
import { type ParseArgsConfig, parseArgs } from 'node:util';

/** @throws {Error} with the usage, for an option that it does not name */
export function readFlags<T extends NonNullable<ParseArgsConfig['options']>>(options: T, usage: string) {
  try {
    return parseArgs({ args: process.argv.slice(2), options }).values;
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}\n${usage}`);
  }
}

export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** `1 email`, `2 emails`. */
export function counted(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`;
}

/** Aborts at the first Ctrl-C, for an end in order; the second ends the process at once. */
export function untilInterrupted(): AbortSignal {
  const controller = new AbortController();
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  return controller.signal;
}
