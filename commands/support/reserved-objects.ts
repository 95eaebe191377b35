/** What `npm run storage` and `npm run erase` say of objects that they leave in the bucket, because a store may need them. */
import { readReserved } from '../../shared/bucket/bucket-objects.ts';
import { DAY_SECONDS } from '../../shared/bucket/collect-objects.ts';
import type { Queryable } from '../../shared/db/database.ts';
import { counted, say } from './terminal.ts';

/** Says nothing without such objects. */
export async function sayReserved(db: Queryable): Promise<void> {
  const left = await readReserved(db, DAY_SECONDS);
  if (left === null) return;
  const objects = counted(left.count, 'object');
  const stay =
    left.count === 1
      ? `${objects} stays: its upload began less than a day ago, and its store`
      : `${objects} stay: an upload of each began less than a day ago, and its store`;
  const at = left.until.toISOString().replace(/:\d\d\.\d+Z$/, 'Z');
  say(
    `${stay} may be in progress.\nTo delete what no row refers to then, run \`npm run storage -- collect\` after ${at}. Scheduled runs do it too.`,
  );
}
