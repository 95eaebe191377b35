/**
 * The options of a command line. Every command reads them here, so that each wrong argument is reported the same way:
 * which one, and why. `runCommand` adds how to print the usage.
 */
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { normalizedAddress } from '../../shared/mailbox-confirmation.ts';
import { quoted } from './terminal.ts';

type Options = NonNullable<ParseArgsConfig['options']>;
/** A token that is no option has no name. */
interface Token {
  readonly index: number;
  readonly name?: string;
}

/** The operator's arguments are wrong. The message names the argument and the reason. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/**
 * @param args those of this process unless given
 * @throws {UsageError} for an unknown option, a positional argument, an option without its value, or two values of one
 */
export function readFlags<T extends Options>(options: T, args: readonly string[] = process.argv.slice(2)) {
  return checked(options, () => parseArgs({ args: [...args], options, tokens: true })).values;
}

/**
 * For a command with verbs and names.
 *
 * @returns the options, and the words that are none
 * @throws {UsageError} for an unknown option, an option without its value, or two values of one
 */
export function readArguments<T extends Options>(
  options: T,
  args: readonly string[] = process.argv.slice(2),
) {
  const { positionals, values } = checked(options, () =>
    parseArgs({ args: [...args], options, tokens: true, allowPositionals: true }),
  );
  return { flags: values, words: positionals };
}

/** @param expected `a whole number from 1` */
export function invalidArgument(name: string, value: string, expected: string): UsageError {
  return new UsageError(`${name} ${quoted(value)} is invalid: expected ${expected}.`);
}

/** @throws {UsageError} outside of the range */
export function wholeNumber(name: string, text: string, { min = 0, max = 999_999_999 } = {}): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw invalidArgument(name, text, `a whole number from ${min} to ${max}`);
}

/** @returns the address in lower case. @throws {UsageError} */
export function emailAddress(name: string, text: string): string {
  const address = normalizedAddress(text);
  if (address === null) throw invalidArgument(name, text, 'an email address');
  return address;
}

/** Of two values, Node takes the last one. An operator who gives two expects both. */
function checked<T extends { readonly tokens: readonly Token[] }>(options: Options, parse: () => T): T {
  let parsed: T;
  try {
    parsed = parse();
  } catch (error) {
    throw new UsageError(parseErrorText(error));
  }
  const taken = Object.keys(options).find(isTakenByNpm);
  if (taken !== undefined)
    throw new UsageError(`npm took --${taken} for itself. Write \`--\` before the options.`);
  const names = parsed.tokens.flatMap(({ name }) => name ?? []);
  const repeated = names.find((name, at) => {
    const isSingle = options[name]?.type === 'string' && options[name].multiple !== true;
    return isSingle && names.indexOf(name) < at;
  });
  if (repeated === undefined) return parsed;
  throw new UsageError(`--${repeated} is given more than once.`);
}

/**
 * Without `--`, npm keeps an option for itself and only sets a variable: `npm run deploy --plan` would deploy. The names of npm's own
 * options, and `email` of older .npmrc files, may be set for npm.
 */
function isTakenByNpm(name: string): boolean {
  if (['all', 'email', 'json', 'only', 'yes'].includes(name)) return false;
  // npm reads the letters of these as its short options.
  const set = ['apply', 'plan'].includes(name) ? ['all', 'long', 'parseable'] : [name.replaceAll('-', '_')];
  return set.every((one) => process.env[`npm_config_${one}`] !== undefined);
}

function parseErrorText(error: unknown): string {
  const { message, code } = error as Error & { readonly code?: string };
  const [firstLine = ''] = message.split('\n');
  // Node adds advice about `--`, which means something else to npm.
  if (code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION') return `${firstLine.split('. ')[0]}.`;
  if (code === 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL')
    return `${firstLine.split('. ')[0]}: the command takes options only. With npm, write \`--\` before the options.`;
  return message.replaceAll('\n', ' ');
}
