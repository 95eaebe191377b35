/**
 * What some rounds share: a mailbox, its Gmail, a database, warm functions, and the memory of everything that was
 * delivered.
 */
import { type GmailProcess, startGmailProcess } from '../helpers/processes.ts';
import { Chance } from './chance.ts';
import { CALM, MAILBOX } from './mailbox.ts';
import { SETTLE_SECONDS } from './mailbox-kinds.ts';
import type { PlannedMail } from './plan-builder.ts';
import type { FaultDatabase, FaultPostgres } from './postgres.ts';
import { Processes } from './processes.ts';
import { PushProxy } from './push-proxy.ts';
import { SlowScheduler } from './slow-scheduler.ts';

const TOPIC = 'projects/emulated-project/topics/gmail';

/** A mail, and what may have become of it. */
export interface SentMail extends PlannedMail {
  readonly round: number;
  /** History expired in its round: what was destroyed, or reported as spam, before anybody looked is known to nobody. */
  readonly mayBeUnseen: boolean;
}

export interface Fixture {
  readonly postgres: FaultPostgres;
  readonly db: FaultDatabase;
  readonly gmail: GmailProcess;
  readonly processes: Processes;
  readonly pushProxy: PushProxy;
  readonly scheduler: SlowScheduler;
  /** By Gmail message id. */
  readonly sent: Map<string, SentMail>;
  /** The refresh token that counts now. */
  refreshToken: string;
  /** The address that the account has now. */
  address: string;
  close(): Promise<void>;
}

export interface FixtureOptions {
  readonly postgres: FaultPostgres;
  readonly dist: string;
  readonly seed: number;
  /** Of the first round in it. */
  readonly round: number;
}

export async function openFixture({ postgres, dist, seed, round }: FixtureOptions): Promise<Fixture> {
  const chance = new Chance(seed, 'fixture', round);
  const db = await postgres.createDatabase();
  const gmail = await startGmailProcess({
    emailAddress: MAILBOX,
    quotaUnitsPerMinute: null,
    latencyMs: chance.pick([5, 20, 50]),
    seed: chance.int(0, 2 ** 31),
  });
  const scheduler = await SlowScheduler.open(new Chance(seed, 'scheduler', round));
  const env = {
    ...gmail.env,
    ...scheduler.env,
    DATABASE_URL: db.url,
    GMAIL_SETTLE_SECONDS: String(SETTLE_SECONDS),
    GMAIL_POLL_INTERVAL_SECONDS: '1',
    GMAIL_PUBSUB_TOPIC: TOPIC,
    GMAIL_QUOTA_UNITS_PER_MINUTE: '1200000',
    // Short, so that the end of an invocation is met as well.
    RUN_BUDGET_SECONDS: String(chance.pick([5, 6, 8])),
    DB_POOL_SIZE: String(chance.pick([2, 4, 4])),
    LOG_LEVEL: 'info',
  };
  const processes = new Processes(dist, env, async (number, pid) => {
    await db.rows('insert into fault_members (member, pid) values ($1::integer, $2::integer)', [number, pid]);
  });
  const pushProxy = await PushProxy.open(processes);
  const refreshToken = gmail.env['GMAIL_REFRESH_TOKEN'] ?? '';
  await gmail.control('switches', { ...CALM, notifications: { ...CALM.notifications, url: pushProxy.url } });
  await processes.complete();
  return {
    postgres,
    db,
    gmail,
    processes,
    pushProxy,
    scheduler,
    address: MAILBOX,
    sent: new Map(),
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
