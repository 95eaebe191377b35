/** Executes the events that exist only with many mailboxes; `PlanRunner` executes those of each mailbox. */
import { setTimeout as delay } from 'node:timers/promises';
import { NO_WORK_FAULTS } from '../../helpers/work-topic.ts';
import type { Summary } from '../summary.ts';
import type { ManyEvent } from './many-events.ts';
import type { FaultMailbox, ManyFixture } from './many-fixture.ts';

export class ManyRunner {
  readonly #fixture: ManyFixture;
  readonly #summaries: readonly Summary[];
  readonly #total: Summary;

  /** @param summaries by mailbox @param total for faults that concern all mailboxes */
  constructor(fixture: ManyFixture, summaries: readonly Summary[], total: Summary) {
    this.#fixture = fixture;
    this.#summaries = summaries;
    this.#total = total;
  }

  async run(events: readonly ManyEvent[]): Promise<void> {
    const startedAt = performance.now();
    const started: Promise<unknown>[] = [];
    for (const event of events) {
      const waitMs = startedAt + event.atMs - performance.now();
      if (waitMs > 0) await delay(waitMs);
      const done = this.#execute(event);
      // Awaited below. Until then a rejection must not count as unhandled.
      done.catch(() => undefined);
      started.push(done);
    }
    await Promise.all(started);
  }

  async #execute(event: ManyEvent): Promise<void> {
    const { work } = this.#fixture;
    switch (event.kind) {
      case 'work':
        this.#total.fault(event.why);
        Object.assign(work.faults, event.faults);
        await delay(event.forMs);
        Object.assign(work.faults, NO_WORK_FAULTS);
        return;
      case 'stray_work':
        this.#total.fault(`work message: ${event.what}`);
        return work.add(
          event.what === 'garbage'
            ? '{"mailbox":'
            : JSON.stringify({
                mailbox: event.what === 'known' ? this.#at(event.mailbox).address : 'stranger@example.net',
              }),
        );
      case 'pause':
        return await this.#pause(this.#at(event.mailbox), event.forMs);
      case 'secret_away': {
        this.#summaries[event.mailbox]?.fault('secret of the mailbox missing');
        const mailbox = this.#at(event.mailbox);
        mailbox.removeSecret();
        await mailbox.gmail.control('expire-access-tokens', {});
        await delay(event.forMs);
        return mailbox.writeSecret();
      }
      case 'rotate_secret': {
        this.#summaries[event.mailbox]?.fault('secret of the mailbox replaced');
        const mailbox = this.#at(event.mailbox);
        if (event.revokesOld) await mailbox.gmail.control('revoke', {});
        mailbox.refreshToken = event.refreshToken;
        await mailbox.gmail.control('reauthorize', { refreshToken: event.refreshToken });
        return mailbox.writeSecret();
      }
      case 'delegation_denied': {
        this.#summaries[event.mailbox]?.fault('delegation denied');
        const { gmail } = this.#at(event.mailbox);
        await gmail.control('switches', { oauth: { allowsDelegation: false } });
        await delay(event.forMs);
        await gmail.control('switches', { oauth: { allowsDelegation: true } });
      }
    }
  }

  async #pause({ address, number }: FaultMailbox, forMs: number): Promise<void> {
    const { db } = this.#fixture;
    if (number === 0) {
      // The first mailbox has a row once it was paused; it must be known for that.
      const rows = await db.rows(
        `insert into mailbox_settings (email_address, mailbox_id, access, is_paused)
         select email_address, id, 'environment', false from mailboxes where email_address = $1::text
         on conflict (email_address) do nothing
         returning id`,
        [address],
      );
      if (rows.length === 0 && !(await this.#hasSettings(address))) return;
    }
    this.#summaries[number]?.fault('mailbox paused');
    await this.#setPaused(address, true);
    await delay(forMs);
    await this.#setPaused(address, false);
  }

  async #hasSettings(address: string): Promise<boolean> {
    const rows = await this.#fixture.db.rows(
      'select 1 from mailbox_settings where email_address = $1::text',
      [address],
    );
    return rows.length > 0;
  }

  async #setPaused(address: string, isPaused: boolean): Promise<void> {
    await this.#fixture.db.rows(
      'update mailbox_settings set is_paused = $2::boolean where email_address = $1::text',
      [address, isPaused],
    );
  }

  #at(mailbox: number): FaultMailbox {
    const found = this.#fixture.mailboxes[mailbox];
    if (found === undefined) throw new Error(`There is no mailbox ${mailbox}`);
    return found;
  }
}
