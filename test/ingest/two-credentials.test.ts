/** Two deployments of one account for a while: the old credentials work beside the new ones. */
import { expect, test } from 'vitest';
import { useWorlds } from '../helpers/worlds.ts';

const createWorld = useWorlds();

test('a run whose mailbox is taken over by other credentials while it is identified leaves it to them', async () => {
  const world = await createWorld();
  await world.ingest();
  await world.rows(`update mailboxes set credential_fingerprint = 'of the other deployment'`);
  await world.rows(`
    create function take_over() returns trigger language plpgsql as
    $$ begin new.credential_fingerprint := 'of the other deployment'; return new; end $$`);
  await world.rows(
    'create trigger take_over before update of credential_fingerprint on mailboxes for each row execute function take_over()',
  );
  expect(await world.ingest()).toMatchObject({ outcome: 'busy', error: null });
  await world.rows('drop trigger take_over on mailboxes');
  expect(await world.ingest()).toMatchObject({ outcome: 'completed' });
});
