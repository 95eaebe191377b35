/** Applies deliveries and other changes of a plan to the emulated Gmail, one after another in the order of the plan. */
import type { Arrival, MessageChange } from './events.ts';
import type { Fixture } from './fixture.ts';
import type { Plan } from './plan.ts';
import type { Summary } from './summary.ts';

const ARRIVAL_LABELS: Readonly<Record<Arrival, { labelIds: string[] }>> = {
  inbox: { labelIds: ['INBOX', 'UNREAD'] },
  filed: { labelIds: ['UNREAD', 'CATEGORY_UPDATES'] },
  read: { labelIds: ['INBOX'] },
  draft: { labelIds: ['DRAFT'] },
  spam: { labelIds: ['SPAM', 'UNREAD'] },
  sent: { labelIds: ['SENT'] },
};

const LABEL_CHANGES: Readonly<
  Record<Exclude<MessageChange, 'delete'>, { add?: string[]; remove?: string[] }>
> = {
  archive: { remove: ['INBOX'] },
  'mark-read': { remove: ['UNREAD'] },
  label: { add: ['STARRED'] },
  trash: { add: ['TRASH'], remove: ['INBOX'] },
  'report-spam': { add: ['SPAM'], remove: ['INBOX'] },
  rescue: { add: ['INBOX'], remove: ['SPAM'] },
};

export class GmailChanges {
  readonly #fixture: Fixture;
  readonly #plan: Plan;
  readonly #summary: Summary;
  #lastChange: Promise<unknown> = Promise.resolve();

  constructor(fixture: Fixture, plan: Plan, summary: Summary) {
    this.#fixture = fixture;
    this.#plan = plan;
    this.#summary = summary;
  }

  /** Calls the control API of the emulated Gmail after all earlier calls have finished. */
  async control(path: string, body: object): Promise<void> {
    const done = this.#lastChange.then(async () => await this.#fixture.gmail.control(path, body));
    this.#lastChange = done.catch(() => undefined);
    await done;
  }

  /** @param index of the email in the plan */
  async deliver(index: number, arrival: Arrival): Promise<void> {
    const mail = this.#plan.mails[index];
    if (mail === undefined) throw new Error(`The plan has no email ${index}`);
    const mayBeUnseen = this.#plan.events.some(({ kind }) => kind === 'expire_history');
    this.#fixture.sent.set(mail.gmailMessageId, { ...mail, round: this.#plan.round, mayBeUnseen });
    this.#summary.delivered += 1;
    const labels = ARRIVAL_LABELS[arrival];
    await this.control('deliver', { raw: mail.raw.toString('base64'), id: mail.gmailMessageId, ...labels });
  }

  async changeLabels(index: number, count: number): Promise<void> {
    this.#summary.fault('long history');
    // Gmail rate-limits pushes. Without this every label change would send one.
    await this.control('switches', { notifications: { isRateLimited: true } });
    await this.control('toggle-label', {
      id: this.#plan.mails[index]?.gmailMessageId,
      label: 'STARRED',
      count,
    });
  }

  /** Delivers an email that the indexes show late, and moves it to the trash at once. */
  async deliverTrashed(index: number, heldMs: number): Promise<void> {
    this.#summary.fault('trashed before the index showed it');
    await Promise.all([
      this.control('switches', { indexLag: { nextRecordMs: heldMs, listMs: heldMs } }),
      this.deliver(index, 'inbox'),
      this.changeMessage('trash', index),
    ]);
  }

  async changeMessage(change: MessageChange, index: number): Promise<void> {
    const id = this.#plan.mails[index]?.gmailMessageId;
    this.#summary.fault(`email changed during the sync: ${change}`);
    if (change === 'delete') await this.control('delete', { id });
    else await this.control('modify', { id, ...LABEL_CHANGES[change] });
  }
}
