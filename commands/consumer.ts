/**
 * `npm run consumer -- list` and `npm run consumer -- remove NAME [--results] [--apply]`: the consumers of stored emails with their
 * backlogs, and the removal of one. Nothing is deleted without `--apply`.
 */
import { readConfig } from '../shared/config.ts';
import { type ConsumerBacklog, readConsumers } from '../shared/control/status/consumer-backlogs.ts';
import { type Database, openDatabase } from '../shared/db/database.ts';
import { CONSUMER_NAME } from '../shared/db-accounts.ts';
import {
  type ConsumerData,
  deleteBatch,
  deleteConsumer,
  readConsumerData,
} from './consumer/consumer-removal.ts';
import { runCommand } from './support/command.ts';
import { invalidArgument, readArguments, UsageError } from './support/flags.ts';
import { Progress } from './support/progress.ts';
import { shutdownSignal } from './support/shutdown-signal.ts';
import { counted, ON_A_DEPLOYMENT, painted, quoted, say } from './support/terminal.ts';

const USAGE = `Usage: npm run consumer -- list | remove NAME [OPTIONS]
Lists the consumers of stored emails, or removes one. A consumer exists when the configuration names it, or
from the first claim of a worker.
  list             each consumer: emails that wait, are claimed or are dead, and since when the oldest one is queued
  remove NAME      what would be deleted: the consumer and its queue. Its results and the schema of its name stay
  --results        with remove: delete its results too
  --apply          with remove: delete it. Stop its workers first, and remove it from the configuration: otherwise it is
                   created again, with all emails that it has not completed. Ctrl-C stops it, and it can be continued

${ON_A_DEPLOYMENT}`;

type Outcome = 'removed' | 'stopped' | 'created_again' | 'blocked';

const ENDINGS: Readonly<Record<Outcome, string>> = {
  removed:
    'Removed. The schema of its name stays; its accounts lose their access when the consumer leaves the configuration.',
  stopped: 'Stopped. To continue, run the command again.',
  blocked:
    'The queue is not deleted yet, because a transaction that may queue emails does not end. Find it in pg_stat_activity by the oldest xact_start, end it, and run the command again.',
  created_again:
    'The consumer was created again, by a claim or by migrate. Stop its workers, and run the command again.',
};

await runCommand(USAGE, async () => {
  const { flags, words } = readArguments({
    apply: { type: 'boolean', default: false },
    results: { type: 'boolean', default: false },
  });
  const [verb, name, extra] = words;
  const unexpected = verb === 'list' ? name : extra;
  if (unexpected !== undefined) throw new UsageError(`Unexpected argument ${quoted(unexpected)}.`);
  if (verb === 'list') {
    if (flags.apply || flags.results) throw new UsageError('--apply and --results need remove.');
    return await withDatabase(list);
  }
  if (verb !== 'remove')
    throw verb === undefined
      ? new UsageError('Say what to do: list, or remove NAME.')
      : invalidArgument('The argument', verb, 'list or remove');
  if (name === undefined) throw new UsageError('remove needs the name of a consumer; list shows them.');
  if (!CONSUMER_NAME.test(name))
    throw invalidArgument('The name', name, 'that of a consumer, such as extraction');
  await withDatabase(async (db) => await remove(db, name, flags));
});

async function withDatabase(work: (db: Database) => Promise<void>): Promise<void> {
  const db = openDatabase({ target: readConfig(process.env).database, poolSize: 2 });
  try {
    await work(db);
  } finally {
    await db.close();
  }
}

async function list(db: Database): Promise<void> {
  const backlogs = await readConsumers(db);
  if (backlogs.length === 0)
    say(
      'There is no consumer yet. It exists when the configuration names it, or from the first claim of a worker.',
    );
  for (const one of backlogs) say(format(one));
}

function format(one: ConsumerBacklog): string {
  const count = (name: (typeof one.capped_counts)[number]): string =>
    `${one[name].toLocaleString('en')}${one.capped_counts.includes(name) ? ' or more' : ''}`;
  const oldest = one.oldest_queued_at?.toISOString().slice(0, 16);
  return [
    `${painted('bold', one.name)}: ${count('waiting_count')} waiting, ${count('claimed_count')} claimed, ${count('dead_count')} dead`,
    oldest === undefined ? 'no email is queued' : `the oldest is queued since ${oldest}Z`,
    ...(one.is_adding_older ? ['its next claims queue older emails'] : []),
  ].join('; ');
}

async function remove(
  db: Database,
  name: string,
  { apply, results }: { readonly apply: boolean; readonly results: boolean },
): Promise<void> {
  const data = await readConsumerData(db, name);
  if (!data.exists && data.queuedCount === 0 && !(results && data.resultCount > 0)) {
    process.exitCode = 1;
    return say(`There is no consumer ${name}. ${resultsText(data)}`.trim());
  }
  say(
    `The consumer ${name}${data.exists ? '' : ', which is removed already,'} has ${counted(data.queuedCount, 'email')} in its queue.`,
  );
  say(results ? `It has ${counted(data.resultCount, 'result')}, which are deleted too.` : resultsText(data));
  if (!apply) return say('Nothing was changed. Stop its workers, then add --apply to delete it.');
  const outcome = await removeAll(db, name, results);
  if (outcome !== 'removed') process.exitCode = outcome === 'stopped' ? 130 : 1;
  say(ENDINGS[outcome]);
}

function resultsText({ resultCount }: ConsumerData): string {
  return resultCount === 0
    ? ''
    : `It has ${counted(resultCount, 'result')}, which stay; --results deletes them.`;
}

async function removeAll(db: Database, name: string, withResults: boolean): Promise<Outcome> {
  const { signal } = shutdownSignal();
  const progress = new Progress();
  let done = 0;
  if (!(await deleteConsumer(db, name))) return 'blocked';
  try {
    for (const from of withResults
      ? (['email_queue', 'email_results'] as const)
      : (['email_queue'] as const)) {
      for (let after: number | null = 0; after !== null; ) {
        const batch = await deleteBatch(db, from, name, after);
        if (batch === null) return 'created_again';
        after = batch.lastEmailId;
        done += batch.count;
        progress.update({ done, total: null, noun: 'rows' });
        if (signal.aborted) return 'stopped';
      }
    }
    return 'removed';
  } finally {
    progress.clear();
  }
}
