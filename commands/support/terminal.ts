/** Text for the operator's terminal: lines, plurals, colours, and quoting of text from outside. */
import { styleText } from 'node:util';

const MAX_QUOTED_CHARACTERS = 120;

/** How to reach a deployment's database: part of the usage of each command that works on one. */
export const ON_A_DEPLOYMENT = `On the local stack, nothing needs to be configured. For a deployment, run this in another terminal, with Terraform's
outputs name, project_id and database_instance, and with roles/iam.serviceAccountTokenCreator on the account of migrate:
  cloud-sql-proxy --auto-iam-authn --impersonate-service-account NAME-migrate@PROJECT.iam.gserviceaccount.com INSTANCE
  DATABASE_URL=postgres://NAME-migrate%40PROJECT.iam@127.0.0.1:5432/email_monitor`;

export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** `1 email`, `2 emails`. */
export function counted(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`;
}

/** Coloured on a terminal that supports it (NO_COLOR is respected), plain everywhere else. */
export function painted(format: 'bold' | 'dim' | 'green' | 'red' | 'yellow', text: string): string {
  return styleText(format, text, { stream: process.stdout });
}

/**
 * Text from outside, such as a file name, made safe for a terminal: in quotes and on one line. Characters that move the
 * cursor, set colours, reverse the writing direction or are invisible are escaped.
 */
export function quoted(text: string): string {
  const characters = [...text];
  const isCut = characters.length > MAX_QUOTED_CHARACTERS;
  const shown = (isCut ? characters.slice(0, MAX_QUOTED_CHARACTERS) : characters)
    .map((one) => (one === '"' || one === '\\' ? `\\${one}` : escapeUnsafe(one)))
    .join('');
  return `"${shown}${isCut ? '...' : ''}"`;
}

/** Control, format, unassigned and separator characters as `\u{1b}`; spaces and all other characters unchanged. */
export function escapeUnsafe(text: string): string {
  return text.replaceAll(/[\p{C}\p{Z}]/gu, (one) =>
    one === ' ' ? one : `\\u{${(one.codePointAt(0) ?? 0).toString(16)}}`,
  );
}
