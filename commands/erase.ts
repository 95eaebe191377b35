/**
 * `npm run erase -- --sender ADDRESS | --email ID | --mailbox ADDRESS [--mentions] [--apply]`: deletes everything that is stored of
 * these emails, and keeps their Gmail ids in the ledger. Without `--apply` it only says what it would delete.
 */
import { type Bucket, openBucket } from '../shared/bucket/bucket.ts';
import { countReleased } from '../shared/bucket/bucket-objects.ts';
import { collectObjects, HOUR_SECONDS } from '../shared/bucket/collect-objects.ts';
import { readConfig } from '../shared/config.ts';
import { type Database, openDatabase } from '../shared/db/database.ts';
import { listMailboxes } from '../shared/db/mailboxes.ts';
import { formerAddress } from '../shared/mailbox-confirmation.ts';
import {
  beginErasure,
  countErasable,
  type ErasureCounts,
  type ErasureSelection,
  endErasure,
  eraseInBatches,
  readConsumerSchemas,
} from './erase/erasure.ts';
import { addressList } from './support/choose-mailbox.ts';
import { runCommand } from './support/command.ts';
import { invalidArgument, readFlags, UsageError, wholeNumber } from './support/flags.ts';
import { Progress } from './support/progress.ts';
import { sayReserved } from './support/reserved-objects.ts';
import { shutdownSignal } from './support/shutdown-signal.ts';
import { counted, ON_A_DEPLOYMENT, quoted, say } from './support/terminal.ts';

const USAGE = `Usage: npm run erase -- --sender ADDRESS | --email ID | --mailbox ADDRESS [OPTIONS]
Deletes everything that is stored of these emails: text, addresses, attachments, raw bytes, search words, queue and
results. The ledger keeps the Gmail id, the hash and the time, so the emails are not fetched again.
  --sender ADDRESS   the emails that this address has sent. Further authors of an email are only in its raw bytes, which
                     are not searched, and an email that could not be read has no sender: erase such emails by id
  --email ID         the email with this id (the column id of incoming_emails)
  --mailbox ADDRESS  all emails of this mailbox
  --mentions         with --sender: also the other emails with this address in their recipients, subject or text
  --apply            delete them. Needs ERASURE_KEY. Ctrl-C stops it, and it can be continued

${ON_A_DEPLOYMENT}`;

const MIN_KEY_CHARACTERS = 32;
const MAX_ID = 2_147_483_647;
const ADDRESS = /^[^\s@<>]+@[^\s@<>]+$/;

const NO_SENDER =
  'select id, received_at, sender, subject, defects from incoming_emails where sender_address is null order by id';

type Target = ErasureSelection & { readonly kind: 'sender' | 'email' | 'mailbox' };

await runCommand(USAGE, async () => {
  const flags = readFlags({
    apply: { type: 'boolean', default: false },
    email: { type: 'string' },
    mailbox: { type: 'string' },
    mentions: { type: 'boolean', default: false },
    sender: { type: 'string' },
  });
  const target = targetOf(flags);
  if (flags.mentions && target.kind !== 'sender') throw new UsageError('--mentions needs --sender.');
  const key = flags.apply ? erasureKey(process.env['ERASURE_KEY']) : null;
  const config = readConfig(process.env);
  const db = openDatabase({ target: config.database, poolSize: 2 });
  try {
    await erase(db, target, { key, withMentions: flags.mentions, bucket: openBucket(config) });
  } finally {
    await db.close();
  }
});

function targetOf({
  email,
  mailbox,
  sender,
}: Readonly<Partial<Record<Target['kind'], string | undefined>>>): Target {
  const given = [sender, email, mailbox].filter((one) => one !== undefined).length;
  if (given !== 1) throw new UsageError('Give one of --sender, --email and --mailbox.');
  if (email !== undefined)
    return { kind: 'email', value: String(wholeNumber('--email', email, { min: 1, max: MAX_ID })) };
  const kind = sender === undefined ? 'mailbox' : 'sender';
  const address = sender ?? mailbox ?? '';
  const former = kind === 'mailbox' ? formerAddress(address) : null;
  if (former !== null) return { kind, value: former };
  if (!ADDRESS.test(address)) throw invalidArgument(`--${kind}`, address, 'an email address');
  return { kind, value: address };
}

function erasureKey(key: string | undefined): string {
  if (key !== undefined && key.length >= MIN_KEY_CHARACTERS) return key;
  throw new UsageError(
    `--apply needs ERASURE_KEY, a secret of at least ${MIN_KEY_CHARACTERS} characters. The record of the erasure holds a hash of the ` +
      'address or id, made with this key. Create one with `openssl rand -hex 32`, and keep it outside of the database.',
  );
}

async function erase(
  db: Database,
  target: Target,
  {
    bucket,
    key,
    withMentions,
  }: { readonly key: string | null; readonly withMentions: boolean; readonly bucket: Bucket | null },
): Promise<void> {
  if (target.kind === 'mailbox') await requireMailbox(db, target.value);
  const counts = await countErasable(db, target);
  say(`${describe(target)}: ${countsText(counts)}`);
  const mention = { kind: 'mention' as const, value: target.value };
  const mentioned = target.kind === 'sender' ? await countErasable(db, mention) : null;
  if (mentioned !== null && mentioned.emailCount > 0) say(mentionText(mentioned, withMentions));
  if (target.kind === 'sender') say(unsearchedText(counts));
  const selections = [target, ...(withMentions ? [mention] : [])];
  if (counts.emailCount + (withMentions ? (mentioned?.emailCount ?? 0) : 0) === 0) {
    say('Nothing is stored that this erases.');
    // An earlier call may have been interrupted before it deleted them.
    return key === null ? undefined : await deleteObjects(db, bucket);
  }
  say(await limitsText(db));
  if (key === null) return say('Nothing was changed. Add --apply to delete them.');
  await apply(db, target, selections, key);
  if (process.exitCode !== 130) await deleteObjects(db, bucket);
}

/** A mailbox keeps its row when it is removed, and when its emails are erased. */
async function requireMailbox(db: Database, address: string): Promise<void> {
  const known = (await listMailboxes(db)).map(({ emailAddress }) => emailAddress);
  if (!known.includes(address.toLowerCase()))
    throw new UsageError(
      `--mailbox names ${address}, which the database does not have. It has: ${addressList(known)}`,
    );
}

async function apply(
  db: Database,
  target: Target,
  selections: readonly ErasureSelection[],
  key: string,
): Promise<void> {
  const { signal } = shutdownSignal();
  const progress = new Progress();
  const erasureId = await beginErasure(db, target, key);
  let done = 0;
  try {
    for (const selection of selections) {
      for await (const count of eraseInBatches(db, erasureId, selection)) {
        done += count;
        progress.update({ done, total: null, noun: 'emails' });
        if (signal.aborted) break;
      }
      if (signal.aborted) break;
    }
  } finally {
    progress.clear();
  }
  if (signal.aborted) {
    process.exitCode = 130;
    return say(`Stopped after ${counted(done, 'email')}. To continue, run the command again.`);
  }
  await endErasure(db, erasureId);
  say(`Erased ${counted(done, 'email')}. Recorded as row ${erasureId} of erasures.`);
}

/** Of the erased emails, and those of stores that ended without a commit. */
async function deleteObjects(db: Database, bucket: Bucket | null): Promise<void> {
  if (bucket === null) {
    const count = await countReleased(db);
    if (count === 0) return;
    process.exitCode = 1;
    return say(
      `${counted(count, 'object')} of erased emails ${count === 1 ? 'is' : 'are'} still in the bucket. Set ATTACHMENTS_BUCKET, and run \`npm run storage -- collect\`.`,
    );
  }
  const { deletedCount, error, reservedCount } = await collectObjects(db, bucket, {
    minAgeSeconds: HOUR_SECONDS,
  });
  if (deletedCount > 0) say(`Deleted ${counted(deletedCount, 'object')} of the bucket.`);
  if (reservedCount > 0) await sayReserved(db);
  if (error !== null) {
    say(
      'Objects of erased emails are still in the bucket. Run `npm run storage -- collect` when it answers.',
    );
    throw error;
  }
}

function describe({ kind, value }: Target): string {
  if (kind === 'email') return `Email ${value}`;
  const address = quoted(value.toLowerCase());
  return kind === 'sender' ? `Emails from ${address}` : `All emails of the mailbox ${address}`;
}

function countsText({ attachmentCount, byteCount, emailCount, resultCount }: ErasureCounts): string {
  const size = `${(byteCount / 1_048_576).toLocaleString('en', { maximumFractionDigits: 1 })} MiB`;
  return `${counted(emailCount, 'email')}, ${counted(attachmentCount, 'attachment')}, ${counted(resultCount, 'result')} of consumers, ${size}.`;
}

function mentionText({ emailCount }: ErasureCounts, withMentions: boolean): string {
  const emails = `${counted(emailCount, 'other email')} ${emailCount === 1 ? 'has' : 'have'} this address in recipients, subject or text`;
  return withMentions ? `${emails}, and would be erased too.` : `${emails}; --mentions erases them too.`;
}

/** Emails that may be of this sender, although the database does not know. */
function unsearchedText({ noSenderCount }: ErasureCounts): string {
  const authors =
    'Not searched: the second and further authors of an email, which are only in its raw bytes.';
  if (noSenderCount === 0) return authors;
  return (
    `${authors}\n${counted(noSenderCount, 'stored email')} ${noSenderCount === 1 ? 'has' : 'have'} no sender address. ` +
    `Erase those of this person with --email ID. To list them:\nnpm run sql -- "${NO_SENDER}"`
  );
}

/** What no erasure here reaches. */
async function limitsText(db: Database): Promise<string> {
  const schemas = await readConsumerSchemas(db);
  const ofConsumers =
    schemas.length === 0
      ? ''
      : ` Delete what your consumers have copied: the schemas ${schemas.map(quoted).join(', ')}.`;
  return (
    'Not erased: the emails in Gmail, the text inside other attachments, backups of the database until they expire, and what consumers ' +
    `have copied elsewhere.${ofConsumers}`
  );
}
