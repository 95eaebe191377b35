/** Two deployments of one account for a while: the old credentials work beside the new ones. */
import { expect, test } from 'vitest';
import { useTestSystems } from '../helpers/use-test-systems.ts';

const createTestSystem = useTestSystems();

test('a run whose mailbox is taken over by other credentials while it is identified leaves it to them', async () => {
  const system = await createTestSystem();
  await system.ingest();
  await system.rows(`update mailboxes set credential_fingerprint = 'of the other deployment'`);
  await system.rows(`
    create function take_over() returns trigger language plpgsql as
    $$ begin new.credential_fingerprint := 'of the other deployment'; return new; end $$`);
  await system.rows(
    'create trigger take_over before update of credential_fingerprint on mailboxes for each row execute function take_over()',
  );
  expect(await system.ingest()).toMatchObject({ outcome: 'busy', error: null });
  await system.rows('drop trigger take_over on mailboxes');
  expect(await system.ingest()).toMatchObject({ outcome: 'completed' });
});
