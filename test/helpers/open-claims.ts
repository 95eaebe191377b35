/** Observes the claims of runs, by triggers on the ledger. */
import type { TestSystem } from './test-system.ts';

/** Records how many claims are open while one of them is on a crash suspect. */
export async function recordOpenWithSuspect(system: TestSystem): Promise<() => Promise<number | null>> {
  await system.rows('create table open_with_suspect (open_count integer)');
  await system.rows(`
    create function note_open() returns trigger language plpgsql as $$
    begin
      insert into open_with_suspect
      select count(*) from email_ledger where claim_token is not null having bool_or(is_crash_suspect);
      return null;
    end $$`);
  await system.rows(
    'create trigger note_open after update on email_ledger for each statement execute function note_open()',
  );
  return async () =>
    (await system.rows<{ n: number | null }>('select max(open_count) as n from open_with_suspect'))[0]?.n ??
    null;
}
