/** The topic of WORK_PUBSUB_TOPIC: `poll` publishes one message per due mailbox, and `ingestMailbox` runs each. */
import * as z from 'zod/mini';
import { decodePush } from '../pubsub/push.ts';
import { PubSubTopic } from '../pubsub/topic.ts';

/** Pub/Sub accepts 1,000 per request. */
const MAX_BATCH = 1_000;
/** For all messages of one poll. */
const TIMEOUT_MS = 20_000;

/** A mailbox as `poll` found it. */
export interface DueMailbox {
  readonly emailAddress: string;
  /** When its last run began, by the database's clock; null before the first run, undefined when the message does not say. */
  readonly lastRunAt: Date | null | undefined;
}

/** One run of one mailbox. */
export interface Work extends DueMailbox {
  /** `manual`: an operator asked for it, also while the monitor is stopped. */
  readonly trigger: 'schedule' | 'manual';
}

export class WorkTopic {
  readonly #topic: PubSubTopic;

  /** @param name `projects/P/topics/T` @param emulatorHost `host:port`, null for Google */
  constructor(name: string, emulatorHost: string | null) {
    const errors = { denied: 'work_topic_denied', unavailable: 'work_topic_unavailable' } as const;
    this.#topic = new PubSubTopic({ name, emulatorHost, maxBatch: MAX_BATCH, errors });
  }

  /** @throws {AppError} work_topic_denied, work_topic_unavailable, google_credentials_missing; some messages may have been published */
  async publish(mailboxes: readonly DueMailbox[], trigger: Work['trigger']): Promise<void> {
    if (mailboxes.length === 0) return;
    const messages = mailboxes.map(({ emailAddress, lastRunAt }) => ({
      data: Buffer.from(JSON.stringify({ mailbox: emailAddress, last_run_at: lastRunAt })),
      attributes: { mailbox: emailAddress, ...(trigger === 'manual' && { trigger }) },
    }));
    const { error } = await this.#topic.publish(messages, null, TIMEOUT_MS);
    if (error !== null) throw error;
  }
}

// No control characters: PostgreSQL rejects NUL.
const workSchema = z.object({
  mailbox: z.string().check(z.minLength(1), z.maxLength(320), z.regex(/^\P{Cc}+$/u)),
  // A message of another version may say it in another form: then the mailbox runs, as for one that does not say it.
  last_run_at: z.catch(z.optional(z.nullable(z.iso.datetime())), undefined),
});

/** @param body of a push of Pub/Sub, or a CloudEvent around it @returns null for anything else */
export function decodeWork(body: unknown): Work | null {
  const push = decodePush(body);
  const work = workSchema.safeParse(push?.data);
  if (push === null || !work.success) return null;
  const trigger = push.attributes['trigger'] === 'manual' ? 'manual' : 'schedule';
  const { last_run_at: at, mailbox: emailAddress } = work.data;
  return { emailAddress, trigger, lastRunAt: typeof at === 'string' ? new Date(at) : at };
}
