/**
 * `npm run mailbox -- add|list|pause|resume|remove`: the mailboxes that a deployment reads besides the first one, whose credentials
 * are environment variables. Nothing here calls Gmail or reads a secret.
 */
import { type Config, readConfig } from '../shared/config.ts';
import { type Database, openDatabase } from '../shared/db/database.ts';
import { formerAddress } from '../shared/mailbox-confirmation.ts';
import { addMailbox, isFirstMailbox, removeMailbox, setPaused } from '../shared/mailboxes/mailbox-changes.ts';
import { shellWord } from '../shared/operator-commands.ts';
import { listAllMailboxes } from './mailbox/mailbox-list.ts';
import { mailboxJson, mailboxTable } from './mailbox/mailbox-table.ts';
import { addedText, FIRST_MAILBOX, removedText } from './mailbox/mailbox-texts.ts';
import { runCommand } from './support/command.ts';
import { emailAddress, invalidArgument, readArguments, UsageError } from './support/flags.ts';
import { nextPollText } from './support/paused-mailbox.ts';
import { ON_A_DEPLOYMENT, quoted, say } from './support/terminal.ts';

const USAGE = `Usage: npm run mailbox -- add ADDRESS [OPTIONS] | list | pause ADDRESS | resume ADDRESS | remove ADDRESS
The mailboxes that are read besides the first one, whose credentials are environment variables.
  add ADDRESS      read this mailbox too. It then needs a refresh token: npm run authorize -- --mailbox ADDRESS
  --delegation     with add: a service account reads it by domain-wide delegation, without a refresh token
  --label LABEL    with add: only messages with this label count (name or id; default: all received mail)
  --query QUERY    with add: which messages the first listing fetches (default: GMAIL_INITIAL_QUERY)
  list             every mailbox: access, state, whether it is paused, last error, stored emails. --json: for programs.
                   polled: its last run succeeded; \`status\` says whether email waits or fails
  pause ADDRESS    fetch nothing until resume; pushes are still recorded. Also for the first mailbox
  resume ADDRESS   fetch what has arrived since the pause
  remove ADDRESS   read it no longer. Its stored emails, its ledger and its secret stay

${ON_A_DEPLOYMENT}`;

const VERBS = ['add', 'list', 'pause', 'resume', 'remove'] as const;
type Verb = (typeof VERBS)[number];

await runCommand(USAGE, async () => {
  const { flags, words } = readArguments({
    delegation: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    label: { type: 'string' },
    query: { type: 'string' },
  });
  const verb = verbOf(words[0]);
  const [address, extra] = verb === 'list' ? [undefined, words[1]] : words.slice(1);
  if (extra !== undefined) throw new UsageError(`Unexpected argument ${quoted(extra)}.`);
  if (verb !== 'add' && (flags.delegation || flags.label !== undefined || flags.query !== undefined))
    throw new UsageError('--delegation, --label and --query need add.');
  if (verb !== 'list' && flags.json) throw new UsageError('--json needs list.');
  const label = present('--label', flags.label);
  const query = present('--query', flags.query);
  if (verb === 'list') return await withDatabase(async (db) => await list(db, flags.json));
  if (address === undefined) throw new UsageError(`${verb} needs the address of a mailbox.`);
  const former = verb === 'add' ? null : formerAddress(address);
  const of = former ?? emailAddress('The address', address);
  await withDatabase(async (db, config) => {
    if (verb === 'add') await add(db, config, of, { ...flags, label, query });
    else if (verb === 'remove') await remove(db, config, of);
    else await pause(db, of, verb === 'pause');
  });
});

function verbOf(word: string | undefined): Verb {
  if (word === undefined) throw new UsageError('Say what to do: add, list, pause, resume or remove.');
  const verb = VERBS.find((one) => one === word);
  if (verb === undefined) throw invalidArgument('The argument', word, VERBS.join(', '));
  return verb;
}

/** An empty value would look like none, but count. */
function present(name: string, value: string | undefined): string | null {
  if (value?.trim() === '') throw new UsageError(`${name} is empty.`);
  return value?.trim() ?? null;
}

async function withDatabase(work: (db: Database, config: Config) => Promise<void>): Promise<void> {
  const config = readConfig(process.env);
  const db = openDatabase({ target: config.database, poolSize: 2 });
  try {
    await work(db, config);
  } finally {
    await db.close();
  }
}

async function add(
  db: Database,
  config: Config,
  address: string,
  { delegation, label, query }: { delegation: boolean; label: string | null; query: string | null },
): Promise<void> {
  if (await isFirstMailbox(db, address)) throw new Error(`${address} is read already: ${FIRST_MAILBOX}`);
  const settings = await addMailbox(db, {
    emailAddress: address,
    access: delegation ? 'delegation' : 'refresh_token',
    label,
    initialQuery: query,
  });
  say(await addedText(db, settings, config));
}

async function list(db: Database, isJson: boolean): Promise<void> {
  const mailboxes = await listAllMailboxes(db);
  if (isJson) return say(JSON.stringify(mailboxes.map(mailboxJson), null, 2));
  if (mailboxes.length === 0)
    return say('There is no mailbox yet: `npm run authorize`, or `npm run mailbox -- add ADDRESS`.');
  say(mailboxTable(mailboxes));
}

async function pause(db: Database, address: string, isPaused: boolean): Promise<void> {
  const settings = await setPaused(db, address, isPaused);
  if (settings === null) return unknown(address);
  if (isPaused)
    return say(
      `Paused ${address}. Nothing is fetched for it until \`npm run mailbox -- resume ${shellWord(address)}\`; pushes are still recorded.`,
    );
  say(`Resumed ${address}. ${await nextPollText(db, 'fetches what has arrived since the pause', null)}.`);
}

async function remove(db: Database, config: Config, address: string): Promise<void> {
  if (await isFirstMailbox(db, address))
    throw new Error(`${address} cannot be removed: ${FIRST_MAILBOX} Unset them, or pause the mailbox.`);
  const removed = await removeMailbox(db, address);
  if (removed === null) return unknown(address);
  say(removedText(removed, config));
}

function unknown(address: string): void {
  process.exitCode = 1;
  say(`${address} was not added. \`npm run mailbox -- list\` shows all mailboxes.`);
}
