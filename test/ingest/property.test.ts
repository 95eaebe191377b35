/**
 * Property test of the whole system: random events hit the messages, Gmail, the lease and the instances. Afterwards every
 * message that arrived is stored once, byte for byte, or is known to be gone.
 *
 * `PROPERTY_SEED=n` repeats a run; `n,m,...` takes several.
 */
import { describe, expect, test } from 'vitest';
import type { FaultRule } from '../../emulators/gmail/fault-rules.ts';
import { seededRandom } from '../../emulators/seeded-random.ts';
import { incompleteEmails, ledger, storedBytes, storedIds } from '../helpers/stored.ts';
import { order } from '../helpers/test-emails.ts';
import type { Instance, TestSystem } from '../helpers/test-system.ts';
import { useTestSystems } from '../helpers/use-test-systems.ts';

const createTestSystem = useTestSystems();
const fixed = process.env['PROPERTY_SEED'];
const SEEDS = fixed === undefined ? [1, 2, 3, 4, 5, 6] : fixed.split(',').map(Number);
const STEPS = 40;

const FAULTS: readonly FaultRule[] = [
  { kind: 'status', status: 503 },
  { kind: 'status', status: 429 },
  { kind: 'status', status: 403, reason: 'userRateLimitExceeded' },
  { kind: 'status', status: 401 },
  { kind: 'status', status: 400, method: 'messages.get' },
  { kind: 'reset' },
  { kind: 'truncate' },
  { kind: 'notJson' },
  { kind: 'status', status: 500, method: 'token' },
];

describe('random events', () => {
  test.each(SEEDS)('every message is stored once or gone after random events (seed %i)', async (seed) => {
    const random = seededRandom(seed);
    const system = await createTestSystem({
      gmail: { random, quotaUnitsPerMinute: 3_000 },
      env: {
        GMAIL_SETTLE_SECONDS: '90',
        GMAIL_QUOTA_UNITS_PER_MINUTE: '3000',
        GMAIL_INITIAL_QUERY: 'in:inbox',
      },
    });
    const scenario = new Scenario(system, random);
    for (let n = 0; n < STEPS; n += 1) await scenario.step();
    await scenario.runUntilIdle();

    const states = await ledger(system);
    const { delivered, deleted, kept } = scenario;
    expect(await storedIds(system)).toEqual(expect.arrayContaining(kept));
    for (const id of deleted) expect(['stored', 'gone', undefined]).toContain(states[id]);
    const bytes = await storedBytes(system);
    for (const [id, stored] of bytes) expect(delivered.get(id)?.equals(stored)).toBe(true);
    expect(await incompleteEmails(system)).toEqual([]);
    expect(await system.rows('select emails_processed_total as n from email_monitor_status')).toEqual([
      { n: bytes.size },
    ]);
    expect(await system.rows("select 1 from email_ledger where state in ('pending', 'dead')")).toEqual([]);
    expect(system.gmail.quota.refusedForUnits).toBe(0);
  });
});

class Scenario {
  readonly delivered = new Map<string, Buffer>();
  readonly deleted = new Set<string>();
  readonly #system: TestSystem;
  readonly #random: () => number;
  readonly #instances: Instance[];
  #count = 0;
  #isListed = false;

  constructor(system: TestSystem, random: () => number) {
    this.#system = system;
    this.#random = random;
    this.#instances = [system, system.instance(), system.instance({ DB_POOL_SIZE: '2' })];
  }

  /** Delivered and never deleted, sorted. */
  get kept(): string[] {
    return [...this.delivered.keys()].filter((id) => !this.deleted.has(id)).sort();
  }

  async step(): Promise<void> {
    const { gmail } = this.#system;
    const steps: (() => unknown)[] = [
      () => this.#deliver(1 + this.#below(5)),
      () => this.#deliver(1),
      () => this.#change(),
      () => this.#change(),
      () => gmail.saveDraft(order(`draft ${this.#count}`)),
      () => this.#delete(),
      () => this.#fault(),
      () => this.#lag(),
      () => this.#run(),
      () => this.#run(),
      () => this.#run(),
      async () => await Promise.all([this.#run(), this.#run()]),
      async () => await this.#interrupt(),
      async () => await this.#system.pass(this.#below(200)),
    ];
    await steps[this.#below(steps.length)]?.();
  }

  /** Ends all faults and runs until nothing waits and every settle time is over. */
  async runUntilIdle(): Promise<void> {
    const { gmail } = this.#system;
    gmail.faults.clear();
    for (let n = 0; n < 6; n += 1) {
      await this.#system.pass(5 * 3_600);
      await this.#system.ingest({ budgetMs: 300_000 });
      await this.#system.ingest({ budgetMs: 300_000 });
    }
  }

  #below(n: number): number {
    return Math.floor(this.#random() * n);
  }

  #deliver(count: number): void {
    for (let n = 0; n < count; n += 1) {
      this.#count += 1;
      const raw = order(this.#count, this.#below(20) === 0 ? 1_300_000 : this.#below(3_000));
      const labelIds = this.#below(4) === 0 ? [] : ['INBOX', 'UNREAD'];
      // The first listing finds only messages that are in the inbox at that time.
      const { id } = this.#system.gmail.deliver(raw, { labelIds: this.#isListed ? labelIds : ['INBOX'] });
      this.delivered.set(id, raw);
    }
  }

  #change(): void {
    const id = this.#any();
    if (id === null || !this.#isListed) return;
    const { gmail } = this.#system;
    const changes = [
      () => gmail.markRead(id),
      () => gmail.archive(id),
      () => gmail.trash(id),
      () => gmail.modifyLabels(id, { add: ['SPAM'], remove: ['INBOX'] }),
      () => gmail.modifyLabels(id, { add: ['INBOX'], remove: ['SPAM', 'TRASH'] }),
      () => gmail.modifyLabels(id, { add: ['STARRED'] }),
    ];
    changes[this.#below(changes.length)]?.();
  }

  #delete(): void {
    const id = this.#any();
    if (id === null) return;
    this.#system.gmail.delete(id);
    this.deleted.add(id);
  }

  #any(): string | null {
    const { kept } = this;
    return kept[this.#below(kept.length)] ?? null;
  }

  #fault(): void {
    const fault = FAULTS[this.#below(FAULTS.length)];
    if (fault === undefined) return;
    this.#system.gmail.faults.add({ ...fault, times: 1 + this.#below(6), skip: this.#below(8) });
  }

  #lag(): void {
    const { indexLag } = this.#system.gmail;
    if (this.#below(2) === 0) indexLag.nextRecordMs = 1_000 * this.#below(80);
    else indexLag.historyMs = 1_000 * this.#below(4);
  }

  async #run(): Promise<void> {
    const instance = this.#instances[this.#below(this.#instances.length)];
    const budgetMs = this.#below(4) === 0 ? this.#below(3_300) : 60_000;
    await instance?.ingest({ budgetMs }).catch(() => undefined);
    if (this.#isListed) return;
    // The ledger now holds all messages that were there.
    const open = await this.#system.rows('select finished_at, listed_count from list_jobs');
    this.#isListed = open.some((one) => one['finished_at'] !== null || Number(one['listed_count']) > 0);
  }

  /** A run that loses its lease to another instance, or all its connections. */
  async #interrupt(): Promise<void> {
    const running = this.#run();
    if (this.#below(2) === 0) {
      await this.#system.db.query("update mailboxes set lease_expires_at = now() - interval '1 second'");
      await this.#run();
    } else {
      await this.#system.db
        .query(
          `select pg_terminate_backend(pid) from pg_stat_activity
           where datname = current_database() and pid <> pg_backend_pid()`,
        )
        .catch(() => undefined);
    }
    await running;
  }
}
