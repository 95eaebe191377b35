/** Which emails `npm run reprocess` takes, out of its options. */

import { PARSER_VERSION } from '../../shared/mime/parsed-email.ts';
import { EVERY_EMAIL, type RereadChoice } from '../../shared/reprocess/raw-emails.ts';
import { quoted } from '../support/terminal.ts';

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
const LARGEST_ID = 2_147_483_647;

/** What is asked for must hold together; with nothing asked for, what an older reader has read. */
export function choiceOf(flags: ReprocessFlags): RereadChoice {
  const version = flags['parser-version'];
  const narrows = [flags.id, flags.since, flags.until, flags.defect, version].some(
    (one) => one !== undefined,
  );
  if (flags.all && (narrows || flags['older-parser']))
    throw new Error('--all is every email: leave it out, or the other options.');
  if (version !== undefined && flags['older-parser'])
    throw new Error('--parser-version names one version, --older-parser all older ones: choose one.');
  const isOutdated = flags['older-parser'] || !(narrows || flags.all);
  const receivedFrom = flags.since === undefined ? null : instantOf('--since', flags.since).from;
  const receivedBefore = flags.until === undefined ? null : instantOf('--until', flags.until).before;
  if (receivedFrom !== null && receivedBefore !== null && receivedFrom >= receivedBefore)
    throw new Error('--since lies behind --until: no email is between them.');
  return {
    ...EVERY_EMAIL,
    ids: flags.id === undefined ? null : flags.id.map((text) => numberOf(text, 'id', 1)),
    afterId: flags.after === undefined ? 0 : numberOf(flags.after, 'id', 0),
    belowVersion: isOutdated ? PARSER_VERSION : null,
    version: version === undefined ? null : numberOf(version, 'version of the reader', 0),
    receivedFrom,
    receivedBefore,
    defect: flags.defect === undefined ? null : defectOf(flags.defect),
  };
}

/** The options that make the same choice again, behind this email. */
export function goOnOptions(args: readonly string[], emailId: number): string {
  const kept: string[] = [];
  for (let at = 0; at < args.length; at += 1) {
    const one = args[at] ?? '';
    if (one === '--after') at += 1;
    else if (!one.startsWith('--after=')) kept.push(one);
  }
  return [...kept, '--after', String(emailId)].join(' ');
}

function numberOf(text: string, what: string, least: number): number {
  const number = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= least && number <= LARGEST_ID) return number;
  throw new Error(`${quoted(text)} is no ${what}: a whole number from ${least}.`);
}

function defectOf(text: string): string {
  if (/^[a-z0-9_]{1,64}$/.test(text)) return text;
  throw new Error(`${quoted(text)} is no defect: like charset_guessed, as the column defects names them.`);
}

/** A day is taken whole, in UTC; a time is that moment. */
function instantOf(option: string, text: string): { readonly from: Date; readonly before: Date } {
  const from = new Date(text);
  const isDay = /^\d{4}-\d{2}-\d{2}$/.test(text);
  const isTime = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})$/.test(text);
  // Date takes the 31st of June for the first of July.
  const isReal = !Number.isNaN(from.getTime()) && (!isDay || from.toISOString().startsWith(text));
  if (!(isDay || isTime) || !isReal)
    throw new Error(
      `${option} ${quoted(text)} is no date: 2026-11-02 (the whole day, UTC) or 2026-11-02T08:00:00Z.`,
    );
  return { from, before: isDay ? new Date(from.getTime() + DAY_MS) : from };
}
