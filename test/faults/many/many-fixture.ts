/** The state that several rounds with many mailboxes share. Each mailbox is also seen as the only one, for reused code. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { refreshTokenOf } from '../../../emulators/gmail/emulated-gmail.ts';
import { startSignJwt } from '../../../emulators/iam/sign-jwt.ts';
import { openDatabase } from '../../../shared/db/database.ts';
import { secretNameOf } from '../../../shared/mailbox-access.ts';
import { addMailbox } from '../../../shared/mailboxes/mailbox-changes.ts';
import { accountOf, addressOf, type ManyGmail, secretOf, startManyGmail } from '../../helpers/many-gmail.ts';
import { postTo, WorkTopic } from '../../helpers/work-topic.ts';
import type { Fixture } from '../fixture.ts';
import { NO_FAULTS } from '../gmail-defaults.ts';
import { SETTLE_SECONDS } from '../mailbox-kinds.ts';
import type { FaultDatabase, FaultPostgres } from '../postgres.ts';
import { type InstanceCounts, Processes } from '../processes.ts';
import { PushProxy } from '../push-proxy.ts';
import { RandomChoices } from '../random-choices.ts';
import { SlowScheduler } from '../slow-scheduler.ts';
import { type Access, accessOf } from './many-events.ts';

const INSTANCES: InstanceCounts = {
  poll: 2,
  pollNow: 1,
  gmailPush: 2,
  ingestMailbox: 3,
  status: 1,
  start: 1,
  stop: 1,
};
/** Work messages that are delivered at the same time: more than one per instance. */
const WORK_IN_FLIGHT = 9;
/** Shorter than some runs, so that messages are also delivered again while their run is active. */
const WORK_ACK_DEADLINE_MS = 5_000;
const SERVICE_ACCOUNT = 'reader@emulated-project.iam.gserviceaccount.com';

/** A mailbox, seen as the only one of the fixture. */
export interface FaultMailbox extends Fixture {
  readonly number: number;
  readonly access: Access;
  /** Puts the current refresh token into the secret of the mailbox. */
  writeSecret(): void;
  removeSecret(): void;
}

export interface ManyFixture {
  readonly postgres: FaultPostgres;
  readonly db: FaultDatabase;
  readonly gmail: ManyGmail;
  readonly processes: Processes;
  readonly pushProxy: PushProxy;
  readonly scheduler: SlowScheduler;
  readonly work: WorkTopic;
  readonly mailboxes: readonly FaultMailbox[];
  close(): Promise<void>;
}

export interface ManyFixtureOptions {
  readonly postgres: FaultPostgres;
  readonly dist: string;
  readonly seed: number;
  readonly round: number;
  readonly mailboxes: number;
}

export async function openManyFixture(options: ManyFixtureOptions): Promise<ManyFixture> {
  const { dist, mailboxes: count, postgres, round, seed } = options;
  const random = new RandomChoices(seed, 'many-fixture', round);
  const db = await postgres.createDatabase();
  const gmail = await startManyGmail({
    accounts: count,
    quotaUnitsPerMinute: null,
    latencyMs: random.pick([5, 20, 50]),
    seed: random.int(0, 2 ** 31),
  });
  const scheduler = await SlowScheduler.open(new RandomChoices(seed, 'scheduler', round));
  const secrets = mkdtempSync(join(tmpdir(), 'email-monitor-secrets-'));
  chmodSync(secrets, 0o700);
  const workRandom = new RandomChoices(seed, 'work', round);
  const work = await WorkTopic.open({
    receive: async (body, timeoutMs) => {
      const instance = processes.next('ingestMailbox');
      return instance === null ? null : await postTo(instance.process.url, body, timeoutMs);
    },
    random: () => workRandom.int(0, 1_000_000) / 1_000_001,
    inFlight: WORK_IN_FLIGHT,
    ackDeadlineMs: WORK_ACK_DEADLINE_MS,
  });
  const signer = await startSignJwt();
  const env = {
    ...gmail.env,
    ...scheduler.env,
    ...work.env,
    DATABASE_URL: db.url,
    GMAIL_MAILBOX_SECRETS: secrets,
    GMAIL_DELEGATION_SERVICE_ACCOUNT: SERVICE_ACCOUNT,
    IAM_CREDENTIALS_API_ROOT_URL: signer.rootUrl,
    GMAIL_SETTLE_SECONDS: String(SETTLE_SECONDS),
    GMAIL_POLL_INTERVAL_SECONDS: '1',
    GMAIL_PUBSUB_TOPIC: 'projects/emulated-project/topics/gmail',
    GMAIL_QUOTA_UNITS_PER_MINUTE: '1200000',
    // Short, so that some runs reach their deadline, but enough for the watch: a run registers it only with five seconds left.
    RUN_BUDGET_SECONDS: String(random.pick([9, 10, 12])),
    DB_POOL_SIZE: String(random.pick([3, 4, 6])),
    LOG_LEVEL: 'info',
  };
  const onStart = async (number: number, pid: number) => {
    await db.rows('insert into fault_instances (instance, pid) values ($1::integer, $2::integer)', [
      number,
      pid,
    ]);
  };
  const processes = new Processes(dist, env, onStart, INSTANCES);
  const pushProxy = await PushProxy.open(processes);
  const shared = { postgres, db, processes, pushProxy, scheduler };
  const mailboxes = Array.from({ length: count }, (_, number) => viewOf(number, gmail, secrets, shared));
  for (const mailbox of mailboxes) {
    await mailbox.gmail.control('switches', {
      ...NO_FAULTS,
      notifications: { ...NO_FAULTS.notifications, url: pushProxy.url },
    });
  }
  await addAll(db.url, mailboxes);
  await processes.restore();
  return {
    ...shared,
    gmail,
    work,
    mailboxes,
    close: async () => {
      await processes.endAll();
      await Promise.all([pushProxy.close(), work.close(), scheduler.close(), signer.close()]);
      await gmail.kill();
      await db.drop();
      rmSync(secrets, { recursive: true, force: true });
    },
  };
}

function viewOf(
  number: number,
  gmail: ManyGmail,
  secrets: string,
  shared: Pick<Fixture, 'postgres' | 'db' | 'processes' | 'pushProxy' | 'scheduler'>,
): FaultMailbox {
  const file = join(secrets, `${secretNameOf(addressOf(number))}.json`);
  const mailbox: FaultMailbox = {
    ...shared,
    number,
    access: accessOf(number),
    address: addressOf(number),
    gmail: accountOf(gmail, () => mailbox.address),
    sent: new Map(),
    tokenTag: `@${number}@`,
    refreshToken: refreshTokenOf(number),
    writeSecret: () => writeFileSync(file, secretOf(number, mailbox.refreshToken), { mode: 0o600 }),
    removeSecret: () => rmSync(file, { force: true }),
    close: async () => undefined,
  };
  if (mailbox.access === 'refresh_token') mailbox.writeSecret();
  return mailbox;
}

/** As `npm run mailbox -- add` does. */
async function addAll(url: string, mailboxes: readonly FaultMailbox[]): Promise<void> {
  const db = openDatabase({ target: { kind: 'url', url }, poolSize: 1 });
  try {
    for (const { access, address: emailAddress } of mailboxes) {
      if (access === 'environment') continue;
      await addMailbox(db, { emailAddress, access, label: null, initialQuery: null });
    }
  } finally {
    await db.close();
  }
}
