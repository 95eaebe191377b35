/**
 * `npm run storage -- move --to bucket|database`, `verify` and `collect`: the bytes of large attachments and raw emails in the bucket of
 * ATTACHMENTS_BUCKET.
 */

import {
  adoptUnknownObjects,
  collectObjects,
  countObjectsOf,
  DAY_SECONDS,
  HOUR_SECONDS,
} from '../shared/bucket/collect-objects.ts';
import { type LargeBytes, openLargeBytes } from '../shared/bucket/large-bytes.ts';
import { countToMove, type MovedRow, moveBytes, type Target } from '../shared/bucket/move-bytes.ts';
import { countObjects, type VerifiedObject, verifyObjects } from '../shared/bucket/verify-objects.ts';
import { type Config, readConfig } from '../shared/config.ts';
import { type Database, openDatabase } from '../shared/db/database.ts';
import { ProblemList } from './storage/problem-list.ts';
import { runCommand } from './support/command.ts';
import { invalidArgument, readArguments, UsageError, wholeNumber } from './support/flags.ts';
import { Progress } from './support/progress.ts';
import { sayReserved } from './support/reserved-objects.ts';
import { shutdownSignal } from './support/shutdown-signal.ts';
import { counted, ON_A_DEPLOYMENT, quoted, say } from './support/terminal.ts';

const USAGE = `Usage: npm run storage -- move --to bucket|database | verify | collect
Needs ATTACHMENTS_BUCKET, and access to the bucket: your own credentials (gcloud auth application-default login).
  move --to bucket    moves attachments and raw emails from ATTACHMENTS_MIN_BYTES on to the bucket
  move --to database  moves all bytes back to the database, and deletes their objects unless a store may need them
  verify              reads every object and compares it with its SHA-256. Exits with 1 when one is missing or damaged
  --list N            with verify and move: at most this number of problems is listed (20)
  collect             deletes the objects to which no row refers any more: those of erased emails now, those of stores
                      that did not end a day after their upload. Says how many objects the database does not know
  --unknown           with collect: deletes also those, when they are a day old. No other database may use the bucket
Ctrl-C stops each of them, and it can be continued. They may run while emails are stored.

${ON_A_DEPLOYMENT}`;

const MAX_LISTED = 20;

interface Context {
  readonly db: Database;
  readonly config: Config;
  readonly largeBytes: LargeBytes;
  readonly signal: AbortSignal;
  readonly listed: number;
}

await runCommand(USAGE, async () => {
  const { flags, words } = readArguments({
    list: { type: 'string' },
    to: { type: 'string' },
    unknown: { type: 'boolean', default: false },
  });
  const [verb, extra] = words;
  if (extra !== undefined) throw new UsageError(`Unexpected argument ${quoted(extra)}.`);
  if (verb === undefined) throw new UsageError('Say what to do: move, verify or collect.');
  if (verb !== 'move' && verb !== 'verify' && verb !== 'collect')
    throw invalidArgument('The argument', verb, 'move, verify or collect');
  if (verb !== 'move' && flags.to !== undefined) throw new UsageError('--to needs move.');
  if (verb === 'collect' && flags.list !== undefined) throw new UsageError('--list needs verify or move.');
  if (verb !== 'collect' && flags.unknown) throw new UsageError('--unknown needs collect.');
  const to = verb === 'move' ? targetOf(flags.to) : null;
  const listed = flags.list === undefined ? MAX_LISTED : wholeNumber('--list', flags.list);
  const config = readConfig(process.env);
  const largeBytes = openLargeBytes(config);
  if (largeBytes === null) throw new UsageError('Set ATTACHMENTS_BUCKET to the name of the bucket.');
  const db = openDatabase({ target: config.database, poolSize: 2 });
  const context = { db, config, largeBytes, signal: shutdownSignal().signal, listed };
  try {
    if (to !== null) await move(context, to);
    else if (verb === 'verify') await verify(context);
    else await collectAll(context, flags.unknown);
  } finally {
    await db.close();
  }
});

function targetOf(to: string | undefined): Target {
  if (to === 'bucket' || to === 'database') return to;
  throw to === undefined
    ? new UsageError('move needs --to bucket or --to database.')
    : invalidArgument('--to', to, 'bucket or database');
}

async function move(context: Context, to: Target): Promise<void> {
  const { config, db, largeBytes, listed, signal } = context;
  const minBytes = config.attachmentsMinBytes;
  const total = await countToMove(db, to, minBytes);
  const problems = new ProblemList(listed);
  const progress = new Progress();
  let done = 0;
  let movedCount = 0;
  let movedBytes = 0;
  const sayMoved = () => say(`Moved ${counted(movedCount, 'file')} to the ${to}, ${mebibytes(movedBytes)}.`);
  try {
    for await (const row of moveBytes(db, largeBytes, { to, minBytes })) {
      done += 1;
      if (row.result === 'moved') {
        movedCount += 1;
        movedBytes += row.sizeBytes;
      } else if (row.result !== 'changed') problems.add(moveProblem(row, to));
      progress.update({ done, total, noun: 'files' });
      if (signal.aborted) break;
    }
  } finally {
    progress.clear();
    if (movedCount > 0) sayMoved();
  }
  problems.say();
  if (signal.aborted) return stopped();
  if (movedCount === 0) sayMoved();
  if (to === 'database') await collect(context, HOUR_SECONDS);
}

function moveProblem({ kind, id, emailId, object, result }: MovedRow, to: Target): string {
  const what = bytesOf(emailId, kind === 'file' ? id : null);
  const where = to === 'bucket' ? 'in the database' : `in the object ${object}`;
  return `${what}: ${result === 'missing' ? 'missing' : 'damaged'} ${where}. It was not moved.`;
}

async function verify({ db, largeBytes, listed, signal }: Context): Promise<void> {
  const total = await countObjects(db);
  if (total === 0) return say('No stored bytes are in a bucket: nothing to verify.');
  const problems = new ProblemList(listed);
  const progress = new Progress();
  let done = 0;
  try {
    for await (const one of verifyObjects(db, largeBytes.bucket)) {
      done += 1;
      if (one.problem !== null) problems.add(verifyProblem(one));
      progress.update({ done, total, noun: 'objects' });
      if (signal.aborted) break;
    }
  } finally {
    progress.clear();
  }
  say(
    `Verified ${counted(done, 'object')}: ${done - problems.count} correct, ${problems.count} missing or damaged.`,
  );
  problems.say();
  if (signal.aborted) stopped();
}

function verifyProblem({ attachmentId, emailId, name, problem }: VerifiedObject): string {
  return `${bytesOf(emailId, attachmentId)}: object ${name} is ${problem}`;
}

/** With the id of the email, for `npm run reprocess -- --id`. */
function bytesOf(emailId: number, attachmentId: number | null): string {
  return attachmentId === null
    ? `the raw bytes of email ${emailId}`
    : `attachment ${attachmentId} of email ${emailId}`;
}

/** A database that refers to nothing in the bucket is another one, such as that of the local stack: it knows none of the objects. */
async function collectAll(context: Context, withUnknown: boolean): Promise<void> {
  const { db, largeBytes } = context;
  const { bucket } = largeBytes;
  const { referencedCount, unknownCount } = await countObjectsOf(db, bucket);
  if (withUnknown && unknownCount > 0) {
    if (referencedCount === 0)
      throw new Error(
        `The database refers to no object of the bucket ${bucket.name}, so this may be the wrong database. Check DATABASE_URL and ` +
          'ATTACHMENTS_BUCKET. Nothing was deleted.',
      );
    await adoptUnknownObjects(db, bucket);
  }
  await collect(context, DAY_SECONDS);
  if (!withUnknown && unknownCount > 0)
    say(
      `The database does not know ${counted(unknownCount, 'object')} of the bucket. If no other database uses it, --unknown deletes what is a day old.`,
    );
}

async function collect({ db, largeBytes, signal }: Context, minAgeSeconds: number): Promise<void> {
  const { bucket } = largeBytes;
  const progress = new Progress();
  const { deletedCount, error } = await collectObjects(db, bucket, {
    minAgeSeconds,
    hasTime: () => !signal.aborted,
    onDeleted: (done) => progress.update({ done, total: null, noun: 'objects' }),
  }).finally(() => progress.clear());
  // Nothing was deleted when the bucket failed at once.
  if (error === null || deletedCount > 0)
    say(`Deleted ${counted(deletedCount, 'object')} to which no row refers.`);
  await sayReserved(db);
  if (error !== null) throw error;
  if (signal.aborted) stopped();
}

function stopped(): void {
  process.exitCode = 130;
  say('Stopped. To continue, run the command again.');
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1_048_576).toLocaleString('en', { maximumFractionDigits: 1 })} MiB`;
}
