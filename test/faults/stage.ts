/** Carries the plan of a round out: every happening at its time, none waiting for the one before. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Calls } from './calls.ts';
import type { Act, Arrival, Event } from './events.ts';
import type { Member } from './fleet.ts';
import type { Plan } from './plan.ts';
import { pushBody } from './push-body.ts';
import type { Tally } from './tally.ts';
import type { World } from './world.ts';

/** So long somebody is waited for who holds the lease: a kill of who does nothing proves nothing. */
const HOLDER_WAIT_MS = 400;
const HOLDER_STEP_MS = 10;

const ARRIVAL_LABELS: Readonly<Record<Arrival, { labelIds: string[] }>> = {
  inbox: { labelIds: ['INBOX', 'UNREAD'] },
  filed: { labelIds: ['UNREAD', 'CATEGORY_UPDATES'] },
  read: { labelIds: ['INBOX'] },
  draft: { labelIds: ['DRAFT'] },
  spam: { labelIds: ['SPAM', 'UNREAD'] },
  sent: { labelIds: ['SENT'] },
};

const ACT_LABELS: Readonly<Record<Exclude<Act, 'delete'>, { add?: string[]; remove?: string[] }>> = {
  archive: { remove: ['INBOX'] },
  'mark-read': { remove: ['UNREAD'] },
  label: { add: ['STARRED'] },
  trash: { add: ['TRASH'], remove: ['INBOX'] },
  'report-spam': { add: ['SPAM'], remove: ['INBOX'] },
  rescue: { add: ['INBOX'], remove: ['SPAM'] },
};

export class Stage {
  readonly #world: World;
  readonly #plan: Plan;
  readonly #calls: Calls;
  readonly #tally: Tally;
  /** Changes of the mailbox happen one after another, in the order of the plan. */
  #mailbox: Promise<unknown> = Promise.resolve();

  constructor(world: World, plan: Plan, calls: Calls, tally: Tally) {
    this.#world = world;
    this.#plan = plan;
    this.#calls = calls;
    this.#tally = tally;
  }

  /** Resolves when everything has happened; requests to the functions may still be underway. */
  async play(): Promise<void> {
    const startedAt = performance.now();
    const happening: Promise<unknown>[] = [];
    for (const event of this.#plan.events) {
      const waitMs = startedAt + event.atMs - performance.now();
      if (waitMs > 0) await delay(waitMs);
      const one = this.#happen(event);
      // Awaited below; until then a failure must not count as unhandled.
      one.catch(() => undefined);
      happening.push(one);
    }
    await Promise.all(happening);
  }

  async #happen(event: Event): Promise<void> {
    const { db, fleet, postgres } = this.#world;
    switch (event.kind) {
      case 'deliver':
        return await this.#deliver(event.mail, event.arrival);
      case 'act':
        return await this.#act(event.act, event.mail);
      case 'call':
        for (let n = event.count ?? 1; n > 0; n -= 1) void this.#calls.call(event.target);
        if (event.target === 'stop') this.#tally.fault('monitor stopped');
        return;
      case 'push':
        return await this.#push(event.what, event.count ?? 1);
      case 'kill': {
        const member = await this.#find(event.whom);
        if (member === null) return;
        this.#tally.fault(event.signal === 'SIGKILL' ? 'process killed' : 'process ended (scale in)');
        await fleet.end(member, event.signal);
        await delay(event.agesAfterMs);
        return await this.#ageLeaseOf(member);
      }
      case 'scale_out':
        this.#tally.fault('process started (scale out)');
        await fleet.start(event.target);
        return;
      case 'freeze':
        return await this.#freeze(event.whom, event.forMs);
      case 'postgres':
        return await this.#strikePostgres(event.how, event.forMs);
      case 'cut':
        if ((await postgres.cut()) > 0) this.#tally.fault('connections cut');
        return;
      case 'gmail_fault':
        return await this.#gmailFault(event.rule, event.forMs);
      case 'switches':
        this.#tally.fault(event.why);
        return await this.#change('switches', event.value);
      case 'expire_history':
        this.#tally.fault(event.atRest ? 'history expired while nothing ran' : 'history expired');
        return await this.#change('expire-history', {});
      case 'expire_tokens':
        this.#tally.fault('access tokens expired');
        return await this.#change('expire-access-tokens', {});
      case 'expire_watch':
        this.#tally.fault('watch expired');
        return await this.#change('expire-watch', {});
      case 'revoke':
        this.#tally.fault('refresh token revoked');
        await this.#change('revoke', {});
        await delay(event.reauthorizedAfterMs);
        return await this.#change('reauthorize', { refreshToken: this.#world.refreshToken });
      case 'redeploy':
        return await this.#redeploy(event.revokesOld, event.share);
      case 'clock':
        this.#tally.fault('clock jumped by minutes');
        for (const member of fleet.of(event.target)) fleet.jumpClock(member);
        return;
      case 'time_passes':
        await db.rows('update mailboxes set next_poll_at = now() where next_poll_at > now()');
        await db.rows(
          `update email_ledger set next_attempt_at = now() where state = 'pending' and next_attempt_at > now()`,
        );
        return;
      case 'all_down':
        this.#tally.fault('all processes killed');
        await fleet.endAll();
        return;
      case 'all_up':
        return await fleet.complete();
    }
  }

  async #change(path: string, body: object): Promise<void> {
    const done = this.#mailbox.then(async () => await this.#world.gmail.control(path, body));
    this.#mailbox = done.catch(() => undefined);
    await done;
  }

  async #deliver(index: number, arrival: Arrival): Promise<void> {
    const mail = this.#plan.mails[index];
    if (mail === undefined) throw new Error(`The plan has no mail ${index}`);
    const mayBeUnseen = this.#plan.events.some(({ kind }) => kind === 'expire_history');
    this.#world.sent.set(mail.gmailMessageId, { ...mail, round: this.#plan.round, mayBeUnseen });
    this.#tally.delivered += 1;
    const labels = ARRIVAL_LABELS[arrival];
    await this.#change('deliver', { raw: mail.raw.toString('base64'), id: mail.gmailMessageId, ...labels });
  }

  async #act(act: Act, index: number): Promise<void> {
    const id = this.#plan.mails[index]?.gmailMessageId;
    this.#tally.fault(`mail changed meanwhile: ${act}`);
    if (act === 'delete') await this.#change('delete', { id });
    else await this.#change('modify', { id, ...ACT_LABELS[act] });
  }

  async #push(what: Extract<Event, { kind: 'push' }>['what'], count: number): Promise<void> {
    const { historyId } = await this.#world.gmail.control<{ historyId: string }>('stats');
    this.#tally.fault(`push: ${what}`, count);
    for (let n = count; n > 0; n -= 1) void this.#calls.call('gmailPush', pushBody(what, historyId));
  }

  async #freeze(whom: Extract<Event, { kind: 'freeze' }>['whom'], forMs: number): Promise<void> {
    const member = await this.#find(whom);
    if (member === null || member.state !== 'up') return;
    this.#tally.fault('process frozen past its lease');
    const { fleet } = this.#world;
    fleet.freeze(member);
    // It may hold the row that is to be aged: then the server lets go of it only when the process goes on.
    await Promise.all([this.#ageLeaseOf(member), delay(forMs).then(() => fleet.thaw(member))]);
  }

  async #strikePostgres(how: Extract<Event, { kind: 'postgres' }>['how'], forMs: number): Promise<void> {
    const { postgres } = this.#world;
    this.#tally.fault(`PostgreSQL: ${how}`);
    if (how === 'crash') {
      await postgres.crash();
      return;
    }
    await postgres.stop(how);
    await delay(forMs);
    await postgres.up();
  }

  async #gmailFault(rule: object, forMs: number | null): Promise<void> {
    const { gmail } = this.#world;
    const { id } = await gmail.control<{ id: number }>('faults/add', rule);
    if (forMs === null) return;
    await delay(forMs);
    await gmail.control('faults/remove', { id });
  }

  async #redeploy(revokesOld: boolean, share: 'all' | 'some'): Promise<void> {
    const { fleet } = this.#world;
    this.#tally.fault(revokesOld ? 'refresh token replaced' : 'second refresh token beside the first');
    const refreshToken = `1//emulated-round-${this.#plan.round}`;
    if (revokesOld) await this.#change('revoke', {});
    await this.#change('reauthorize', { refreshToken });
    this.#world.refreshToken = refreshToken;
    fleet.configure({ GMAIL_REFRESH_TOKEN: refreshToken });
    if (share === 'all') return await fleet.complete();
    await Promise.all((['poll', 'pollNow', 'gmailPush'] as const).map(async (t) => await fleet.start(t)));
  }

  async #find(whom: Extract<Event, { kind: 'kill' }>['whom']): Promise<Member | null> {
    const { fleet } = this.#world;
    if (whom !== 'holder') return fleet.next(whom);
    const giveUpAt = performance.now() + HOLDER_WAIT_MS;
    while (performance.now() < giveUpAt) {
      const holder = await this.#holder();
      if (holder !== null) return holder;
      await delay(HOLDER_STEP_MS);
    }
    return fleet.next('poll');
  }

  async #holder(): Promise<Member | null> {
    const [row] = await this.#world.db.rows(
      `select lease_holder from mailboxes where lease_expires_at > now()`,
    );
    return row === undefined ? null : this.#world.fleet.byPid(pidOf(row.lease_holder));
  }

  async #ageLeaseOf({ process }: Member): Promise<void> {
    await this.#world.db.rows(
      `update mailboxes set lease_expires_at = now() - interval '1 second' where lease_holder like '%:' || $1::text`,
      [String(process.pid)],
    );
  }
}

/** A holder names itself `host:pid`. */
export function pidOf(leaseHolder: string): number {
  return Number(leaseHolder.split(':').at(-1));
}
