/** A round while it is being thought out: its mails, its happenings, and the chance that decides both. */
import type { Chance } from './chance.ts';
import type { Act, Arrival, Event, Happening } from './events.ts';
import { type FaultMail, makeMail } from './mails.ts';

export interface PlannedMail extends FaultMail {
  readonly index: number;
  readonly gmailMessageId: string;
  readonly arrival: Arrival;
  readonly atMs: number;
  readonly acts: Act[];
  /** Gmail refuses this message until the faults end: it may be dead by then. */
  hasLastingFault: boolean;
  /** One more charged failure makes it dead. */
  isNearlyDead: boolean;
}

export class PlanBuilder {
  readonly chance: Chance;
  /** Nothing happens later. */
  readonly durationMs: number;
  /** The mailbox is read for the first time in this round: what was there before counts only if unread in the inbox. */
  readonly isBirth: boolean;
  readonly mails: PlannedMail[] = [];
  readonly events: Event[] = [];

  constructor(chance: Chance, isBirth: boolean) {
    this.chance = chance;
    this.isBirth = isBirth;
    this.durationMs = chance.int(1_000, 2_200);
  }

  at(atMs: number, happening: Happening): void {
    this.events.push({ ...happening, atMs: Math.round(atMs) });
  }

  /** A moment of the round. */
  moment(from = 0, to = 1): number {
    return this.chance.int(Math.floor(this.durationMs * from), Math.floor(this.durationMs * to));
  }

  deliver(name: string, atMs: number, arrival: Arrival): PlannedMail {
    const mail = this.prepare(name, atMs, arrival);
    this.at(atMs, { kind: 'deliver', mail: mail.index, arrival });
    return mail;
  }

  /** A mail that another event delivers. */
  prepare(name: string, atMs: number, arrival: Arrival): PlannedMail {
    const index = this.mails.length;
    const earlier = this.mails.at(-1);
    // The same bytes again are another mail: somebody sent the order twice.
    const isRepeat = earlier !== undefined && this.chance.happens(0.05);
    const content = isRepeat ? earlier : makeMail(this.chance, `${name}-${index}`);
    const { raw, sha256, attachments } = content;
    // Time in front as in Gmail's own ids is of no use here: a plan knows its ids beforehand.
    const gmailMessageId = `19${this.chance.hex(14)}`;
    const mail = {
      raw,
      sha256,
      attachments,
      index,
      gmailMessageId,
      arrival,
      atMs,
      acts: [],
      hasLastingFault: false,
      isNearlyDead: false,
    };
    this.mails.push(mail);
    return mail;
  }

  /** Lets the next charged failure make the mail dead. */
  nearlyDead(mail: PlannedMail, atMs: number): void {
    mail.isNearlyDead = true;
    this.at(atMs, { kind: 'nearly_dead', mail: mail.index });
  }

  act(mail: PlannedMail, act: Act, afterMs: number): void {
    mail.acts.push(act);
    this.at(mail.atMs + afterMs, { kind: 'act', act, mail: mail.index });
  }
}
