/** Executes the plan of a round: starts each event at its time, without waiting for earlier events to finish. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Calls } from './calls.ts';
import type { Event } from './events.ts';
import type { Fixture } from './fixture.ts';
import { GmailChanges } from './gmail-changes.ts';
import type { Plan } from './plan.ts';
import type { FunctionInstance } from './processes.ts';
import { pushBody } from './push-body.ts';
import type { Summary } from './summary.ts';

/** How long a kill or freeze waits for a lease holder, because ending an idle process tests nothing. */
const HOLDER_WAIT_MS = 400;
const HOLDER_STEP_MS = 10;

export class PlanRunner {
  readonly #fixture: Fixture;
  readonly #plan: Plan;
  readonly #calls: Calls;
  readonly #summary: Summary;
  readonly #gmail: GmailChanges;

  constructor(fixture: Fixture, plan: Plan, calls: Calls, summary: Summary) {
    this.#fixture = fixture;
    this.#plan = plan;
    this.#calls = calls;
    this.#summary = summary;
    this.#gmail = new GmailChanges(fixture, plan, summary);
  }

  /** Resolves when all events are done. Requests to the functions may still be in flight. */
  async run(): Promise<void> {
    const startedAt = performance.now();
    const started: Promise<unknown>[] = [];
    for (const event of this.#plan.events) {
      const waitMs = startedAt + event.atMs - performance.now();
      if (waitMs > 0) await delay(waitMs);
      const done = this.#execute(event);
      // Awaited below. Until then a rejection must not count as unhandled.
      done.catch(() => undefined);
      started.push(done);
    }
    await Promise.all(started);
  }

  async #execute(event: Event): Promise<void> {
    const { db, processes, postgres } = this.#fixture;
    switch (event.kind) {
      case 'deliver':
        return await this.#gmail.deliver(event.mail, event.arrival);
      case 'change':
        return await this.#gmail.changeMessage(event.change, event.mail);
      case 'call':
        for (let n = event.count ?? 1; n > 0; n -= 1) void this.#calls.call(event.target);
        if (event.target === 'stop') this.#summary.fault('monitor stopped');
        return;
      case 'push':
        return await this.#push(event.what, event.count ?? 1);
      case 'kill': {
        const instance = await this.#find(event.victim);
        if (instance === null) return;
        this.#summary.fault(event.signal === 'SIGKILL' ? 'process killed' : 'process ended (scale in)');
        await processes.end(instance, event.signal);
        await delay(event.agesAfterMs);
        return await this.#ageLeaseOf(instance);
      }
      case 'scale_out':
        this.#summary.fault('process started (scale out)');
        await processes.start(event.target);
        return;
      case 'freeze':
        return await this.#freeze(event.victim, event.forMs);
      case 'postgres':
        return await this.#disruptPostgres(event.how, event.forMs);
      case 'cut':
        if ((await postgres.cut()) > 0) this.#summary.fault('connections cut');
        return;
      case 'gmail_fault':
        return await this.#gmailFault(event.rule, event.forMs);
      case 'switches':
        this.#summary.fault(event.why);
        return await this.#gmail.control('switches', event.value);
      case 'expire_history':
        this.#summary.fault(event.atRest ? 'history expired while no process ran' : 'history expired');
        return await this.#gmail.control('expire-history', {});
      case 'disk_full':
        this.#summary.fault(`disk full: ${event.scope === 'all' ? 'all writes' : 'stores'}`);
        await db.rows('insert into fault_disk_full (scope) values ($1::text)', [event.scope]);
        await delay(event.forMs);
        await db.rows('delete from fault_disk_full');
        return;
      case 'nearly_dead':
        await db.rows(
          `update email_ledger set attempt_count = 7 where gmail_message_id = $1::text and state = 'pending'`,
          [this.#plan.mails[event.mail]?.gmailMessageId],
        );
        return;
      case 'rename':
        this.#summary.fault('account renamed');
        this.#fixture.address = event.address;
        return await this.#gmail.control('rename-account', { emailAddress: event.address });
      case 'label_changes':
        return await this.#gmail.changeLabels(event.mail, event.count);
      case 'deliver_trashed':
        return await this.#gmail.deliverTrashed(event.mail, event.heldMs);
      case 'slow_scheduler':
        this.#fixture.scheduler.maxDelayMs = event.maxDelayMs;
        return;
      case 'expire_tokens':
        this.#summary.fault('access tokens expired');
        return await this.#gmail.control('expire-access-tokens', {});
      case 'expire_watch':
        this.#summary.fault('watch expired');
        return await this.#gmail.control('expire-watch', {});
      case 'revoke':
        this.#summary.fault('refresh token revoked');
        await this.#gmail.control('revoke', {});
        await delay(event.reauthorizedAfterMs);
        return await this.#gmail.control('reauthorize', { refreshToken: this.#fixture.refreshToken });
      case 'redeploy':
        return await this.#redeploy(event.revokesOld, event.share);
      case 'clock':
        this.#summary.fault('clock jumped by minutes');
        for (const instance of processes.list(event.target)) processes.jumpClock(instance);
        return;
      case 'time_passes':
        await db.rows('update mailboxes set next_poll_at = now() where next_poll_at > now()');
        await db.rows(
          `update email_ledger set next_attempt_at = now() where state = 'pending' and next_attempt_at > now()`,
        );
        return;
      case 'all_down':
        this.#summary.fault('all processes killed');
        await processes.endAll();
        return;
      case 'all_up':
        return await processes.restore();
    }
  }

  async #push(what: Extract<Event, { kind: 'push' }>['what'], count: number): Promise<void> {
    const { historyId } = await this.#fixture.gmail.control<{ historyId: string }>('stats');
    this.#summary.fault(`push: ${what}`, count);
    for (let n = count; n > 0; n -= 1)
      void this.#calls.call('gmailPush', pushBody(what, this.#fixture.address, historyId));
  }

  async #freeze(victim: Extract<Event, { kind: 'freeze' }>['victim'], forMs: number): Promise<void> {
    const instance = await this.#find(victim);
    if (instance === null || instance.state !== 'up') return;
    this.#summary.fault('process frozen past its lease');
    const { processes } = this.#fixture;
    processes.freeze(instance);
    // The frozen process may have locked the row of its lease. The update then waits until the process resumes.
    await Promise.all([this.#ageLeaseOf(instance), delay(forMs).then(() => processes.resume(instance))]);
  }

  async #disruptPostgres(how: Extract<Event, { kind: 'postgres' }>['how'], forMs: number): Promise<void> {
    const { postgres } = this.#fixture;
    this.#summary.fault(`PostgreSQL: ${how}`);
    if (how === 'crash') {
      await postgres.crash();
      return;
    }
    await postgres.stop(how);
    await delay(forMs);
    await postgres.up();
  }

  async #gmailFault(rule: object, forMs: number | null): Promise<void> {
    const { gmail } = this.#fixture;
    const { id } = await gmail.control<{ id: number }>('faults/add', rule);
    if (forMs === null) return;
    await delay(forMs);
    await gmail.control('faults/remove', { id });
  }

  async #redeploy(revokesOld: boolean, share: 'all' | 'some'): Promise<void> {
    const { processes } = this.#fixture;
    this.#summary.fault(revokesOld ? 'refresh token replaced' : 'second refresh token added');
    const refreshToken = `1//emulated-${this.#fixture.tokenTag}round-${this.#plan.round}`;
    if (revokesOld) await this.#gmail.control('revoke', {});
    await this.#gmail.control('reauthorize', { refreshToken });
    this.#fixture.refreshToken = refreshToken;
    processes.configure({ GMAIL_REFRESH_TOKEN: refreshToken });
    if (share === 'all') return await processes.restore();
    await Promise.all((['poll', 'pollNow', 'gmailPush'] as const).map(async (t) => await processes.start(t)));
  }

  async #find(victim: Extract<Event, { kind: 'kill' }>['victim']): Promise<FunctionInstance | null> {
    const { processes } = this.#fixture;
    if (victim !== 'holder') return processes.next(victim);
    const giveUpAt = performance.now() + HOLDER_WAIT_MS;
    while (performance.now() < giveUpAt) {
      const holder = await this.#holder();
      if (holder !== null) return holder;
      await delay(HOLDER_STEP_MS);
    }
    return processes.next('poll');
  }

  async #holder(): Promise<FunctionInstance | null> {
    const [row] = await this.#fixture.db.rows(
      `select lease_holder from mailboxes where lease_expires_at > now()`,
    );
    return row === undefined ? null : this.#fixture.processes.byPid(pidOf(row.lease_holder));
  }

  async #ageLeaseOf({ process }: FunctionInstance): Promise<void> {
    await this.#fixture.db.rows(
      `update mailboxes set lease_expires_at = now() - interval '1 second' where lease_holder like '%:' || $1::text`,
      [String(process.pid)],
    );
  }
}

/** `lease_holder` has the form `host:pid`. */
export function pidOf(leaseHolder: string): number {
  return Number(leaseHolder.split(':').at(-1));
}
