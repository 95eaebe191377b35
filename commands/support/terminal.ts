/** What commands share towards the person who started them: options, lines, colours, Ctrl-C. */
import { type ParseArgsConfig, parseArgs, styleText } from 'node:util';

/** `npm run` passes on the Ctrl-C that the terminal has sent to us as well: within this time they are one. */
const SAME_PRESS_MS = 1_000;
const LONGEST_NAME = 120;

/** Where a deployment's database is found, for the help of each command that works on one. */
export const ON_A_DEPLOYMENT = `On the local stack nothing has to be said. On a deployment, beside it, with terraform's outputs name,
project_id and database_instance, and roles/iam.serviceAccountTokenCreator on the account of migrate:
  cloud-sql-proxy --auto-iam-authn --impersonate-service-account NAME-migrate@PROJECT.iam.gserviceaccount.com INSTANCE
  DATABASE_URL=postgres://NAME-migrate%40PROJECT.iam@127.0.0.1:5432/email_monitor`;

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

/** Coloured on a terminal that wants it (NO_COLOR is obeyed), plain everywhere else. */
export function painted(format: 'bold' | 'dim' | 'green' | 'red' | 'yellow', text: string): string {
  return styleText(format, text, { stream: process.stdout });
}

/**
 * A text from outside, a file name for instance, as it may stand on a terminal: in quotes and in one line. What moves
 * the cursor, colours, turns the direction of writing or cannot be seen is spelled out.
 */
export function quoted(text: string): string {
  const characters = [...text];
  const cut = characters.length > LONGEST_NAME;
  const shown = (cut ? characters.slice(0, LONGEST_NAME) : characters)
    .map((one) => (/[\p{C}\p{Z}"\\]/u.test(one) && one !== ' ' ? escaped(one) : one))
    .join('');
  return `"${shown}${cut ? '...' : ''}"`;
}

function escaped(character: string): string {
  if (character === '"' || character === '\\') return `\\${character}`;
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}

/** Aborts at the first Ctrl-C, for an end in order; the next one, a second later or more, ends the process at once. */
export function untilInterrupted(): AbortSignal {
  const controller = new AbortController();
  let pressedAt = Number.NEGATIVE_INFINITY;
  const interrupt = () => {
    const now = performance.now();
    if (now - pressedAt < SAME_PRESS_MS) return;
    pressedAt = now;
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  return controller.signal;
}
