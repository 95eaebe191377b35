/** The state that several rounds share: a Gmail with one mailbox, a database, running functions, and the delivered emails. */
import { type GmailProcess, startGmailProcess } from '../helpers/child-processes.ts';
import { MAILBOX, NO_FAULTS } from './gmail-defaults.ts';
import { SETTLE_SECONDS } from './mailbox-kinds.ts';
import type { PlannedMail } from './plan-builder.ts';
import type { FaultDatabase, FaultPostgres } from './postgres.ts';
import { Processes } from './processes.ts';
import { PushProxy } from './push-proxy.ts';
import { RandomChoices } from './random-choices.ts';
import { SlowScheduler } from './slow-scheduler.ts';

const TOPIC = 'projects/emulated-project/topics/gmail';

/** A delivered email and the states that it may have. */
export interface SentMail extends PlannedMail {
  readonly round: number;
  /** History expired in its round, so the system may not know it if it was deleted or reported as spam early. */
  readonly mayBeUnseen: boolean;
}

export interface Fixture {
  readonly postgres: FaultPostgres;
  readonly db: FaultDatabase;
  readonly gmail: GmailProcess;
  readonly processes: Processes;
  readonly pushProxy: PushProxy;
  readonly scheduler: SlowScheduler;
  /** The delivered emails by Gmail message id. */
  readonly sent: Map<string, SentMail>;
  /** Part of every new refresh token: by it an emulator with many accounts finds the account. */
  readonly tokenTag: string;
  /** The current refresh token. */
  refreshToken: string;
  /** The current address of the account. */
  address: string;
  close(): Promise<void>;
}

export interface FixtureOptions {
  readonly postgres: FaultPostgres;
  readonly dist: string;
  readonly seed: number;
  /** The number of the first round. */
  readonly round: number;
}

export async function openFixture({ postgres, dist, seed, round }: FixtureOptions): Promise<Fixture> {
  const random = new RandomChoices(seed, 'fixture', round);
  const db = await postgres.createDatabase();
  const gmail = await startGmailProcess({
    emailAddress: MAILBOX,
    quotaUnitsPerMinute: null,
    latencyMs: random.pick([5, 20, 50]),
    seed: random.int(0, 2 ** 31),
  });
  const scheduler = await SlowScheduler.open(new RandomChoices(seed, 'scheduler', round));
  const env = {
    ...gmail.env,
    ...scheduler.env,
    DATABASE_URL: db.url,
    GMAIL_SETTLE_SECONDS: String(SETTLE_SECONDS),
    GMAIL_POLL_INTERVAL_SECONDS: '1',
    GMAIL_PUBSUB_TOPIC: TOPIC,
    GMAIL_QUOTA_UNITS_PER_MINUTE: '1200000',
    // Short, so that some runs reach their deadline.
    RUN_BUDGET_SECONDS: String(random.pick([5, 6, 8])),
    DB_POOL_SIZE: String(random.pick([2, 4, 4])),
    LOG_LEVEL: 'info',
  };
  const processes = new Processes(dist, env, async (number, pid) => {
    await db.rows('insert into fault_instances (instance, pid) values ($1::integer, $2::integer)', [
      number,
      pid,
    ]);
  });
  const pushProxy = await PushProxy.open(processes);
  const refreshToken = gmail.env['GMAIL_REFRESH_TOKEN'] ?? '';
  await gmail.control('switches', {
    ...NO_FAULTS,
    notifications: { ...NO_FAULTS.notifications, url: pushProxy.url },
  });
  await processes.restore();
  return {
    postgres,
    db,
    gmail,
    processes,
    pushProxy,
    scheduler,
    address: MAILBOX,
    sent: new Map(),
    tokenTag: '',
    refreshToken,
    close: async () => {
      await processes.endAll();
      await pushProxy.close();
      await scheduler.close();
      await gmail.kill();
      await db.drop();
    },
  };
}
