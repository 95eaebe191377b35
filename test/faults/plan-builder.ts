/** Builds the plan of a round: its emails, its events, and the random choices behind both. */

import type { Arrival, Event, EventAction, MessageChange } from './events.ts';
import { type GeneratedMail, generateMail } from './generated-mail.ts';
import type { RandomChoices } from './random-choices.ts';

export interface PlannedMail extends GeneratedMail {
  readonly index: number;
  readonly gmailMessageId: string;
  readonly arrival: Arrival;
  readonly atMs: number;
  readonly changes: MessageChange[];
  /** Gmail rejects this message until the faults end, so it may be dead by then. */
  hasLastingFault: boolean;
  /** One more counted failure makes it dead. */
  isNearlyDead: boolean;
}

export class PlanBuilder {
  readonly random: RandomChoices;
  /** No event is later. */
  readonly durationMs: number;
  /** The first sync takes place in this round. Of earlier emails it imports only those that are unread in the inbox. */
  readonly isFirstSync: boolean;
  readonly mails: PlannedMail[] = [];
  readonly events: Event[] = [];

  constructor(random: RandomChoices, isFirstSync: boolean, durationMs = random.int(1_000, 2_200)) {
    this.random = random;
    this.isFirstSync = isFirstSync;
    this.durationMs = durationMs;
  }

  at(atMs: number, action: EventAction): void {
    this.events.push({ ...action, atMs: Math.round(atMs) });
  }

  /** A random time in the round, between two fractions of its duration. */
  moment(from = 0, to = 1): number {
    return this.random.int(Math.floor(this.durationMs * from), Math.floor(this.durationMs * to));
  }

  deliver(name: string, atMs: number, arrival: Arrival): PlannedMail {
    const mail = this.prepare(name, atMs, arrival);
    this.at(atMs, { kind: 'deliver', mail: mail.index, arrival });
    return mail;
  }

  /** Adds an email that another event delivers. */
  prepare(name: string, atMs: number, arrival: Arrival): PlannedMail {
    const index = this.mails.length;
    const earlier = this.mails.at(-1);
    // Sometimes the same bytes again, as when a customer sends an order twice. It is a separate message.
    const isRepeat = earlier !== undefined && this.random.chance(0.05);
    const content = isRepeat ? earlier : generateMail(this.random, `${name}-${index}`);
    const { raw, sha256, attachments } = content;
    // Gmail's ids start with the time, but the ids of a plan must be known in advance.
    const gmailMessageId = `19${this.random.hex(14)}`;
    const mail = {
      raw,
      sha256,
      attachments,
      index,
      gmailMessageId,
      arrival,
      atMs,
      changes: [],
      hasLastingFault: false,
      isNearlyDead: false,
    };
    this.mails.push(mail);
    return mail;
  }

  /** Makes the email dead at its next counted failure. */
  nearlyDead(mail: PlannedMail, atMs: number): void {
    mail.isNearlyDead = true;
    this.at(atMs, { kind: 'nearly_dead', mail: mail.index });
  }

  change(mail: PlannedMail, change: MessageChange, afterMs: number): void {
    mail.changes.push(change);
    this.at(mail.atMs + afterMs, { kind: 'change', change, mail: mail.index });
  }
}
