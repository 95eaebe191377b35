/** Which emails `npm run reprocess` selects, from its options. */
import { PARSER_VERSION } from '../../shared/mime/parsed-email.ts';
import { ALL_EMAILS, type EmailSelection } from '../../shared/reprocess/raw-emails.ts';
import { invalidArgument, UsageError, wholeNumber } from '../support/flags.ts';

export interface ReprocessFlags {
  readonly after?: string | undefined;
  readonly all?: boolean | undefined;
  readonly defect?: string | undefined;
  readonly id?: readonly string[] | undefined;
  readonly 'older-parser'?: boolean | undefined;
  readonly 'parser-version'?: string | undefined;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

const DAY_MS = 86_400_000;
const MAX_ID = 2_147_483_647;

/**
 * All options must match. Without any, the emails that an older parser has read.
 *
 * @throws {UsageError} for an invalid value, or for options that contradict each other
 */
export function selectEmails(flags: ReprocessFlags): EmailSelection {
  const version = flags['parser-version'];
  const narrows = [flags.id, flags.since, flags.until, flags.defect, version].some(
    (one) => one !== undefined,
  );
  if (flags.all && (narrows || flags['older-parser']))
    throw new UsageError('--all selects every email: omit it, or omit the other options.');
  if (version !== undefined && flags['older-parser'])
    throw new UsageError('--parser-version and --older-parser exclude each other.');
  const isOutdated = flags['older-parser'] || !(narrows || flags.all);
  const receivedFrom = flags.since === undefined ? null : instantOf('--since', flags.since).from;
  const receivedBefore = flags.until === undefined ? null : instantOf('--until', flags.until).before;
  if (receivedFrom !== null && receivedBefore !== null && receivedFrom >= receivedBefore)
    throw new UsageError('--since is later than --until.');
  return {
    ...ALL_EMAILS,
    ids:
      flags.id === undefined
        ? null
        : flags.id.map((text) => wholeNumber('--id', text, { min: 1, max: MAX_ID })),
    afterId: flags.after === undefined ? 0 : wholeNumber('--after', flags.after, { max: MAX_ID }),
    belowVersion: isOutdated ? PARSER_VERSION : null,
    version: version === undefined ? null : wholeNumber('--parser-version', version),
    receivedFrom,
    receivedBefore,
    defect: flags.defect === undefined ? null : defectOf(flags.defect),
  };
}

/** The options that select the same emails after this one. */
export function resumeOptions(args: readonly string[], emailId: number): string {
  const kept: string[] = [];
  for (let at = 0; at < args.length; at += 1) {
    const one = args[at] ?? '';
    if (one === '--after') at += 1;
    else if (!one.startsWith('--after=')) kept.push(one);
  }
  return [...kept, '--after', String(emailId)].join(' ');
}

function defectOf(text: string): string {
  if (/^[a-z0-9_]{1,64}$/.test(text)) return text;
  throw invalidArgument('--defect', text, 'a code of the column defects, such as charset_guessed');
}

/** A date means the whole day in UTC; a time means that moment. */
function instantOf(option: string, text: string): { readonly from: Date; readonly before: Date } {
  const from = new Date(text);
  const isDay = /^\d{4}-\d{2}-\d{2}$/.test(text);
  const isTime = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})$/.test(text);
  // Date turns the 31st of June into the 1st of July.
  const day = text.slice(0, 10);
  const isReal =
    (isDay || isTime) && !Number.isNaN(from.getTime()) && new Date(day).toISOString().startsWith(day);
  if (!isReal)
    throw invalidArgument(option, text, 'a date (2026-11-02, in UTC) or a time (2026-11-02T08:00:00Z)');
  return { from, before: isDay ? new Date(from.getTime() + DAY_MS) : from };
}
