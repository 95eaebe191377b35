/**
 * The OpenAPI 3.1 document of the JSON endpoints, generated from the response schemas. Loaded at the first request of
 * `/api/openapi.json` only. https://spec.openapis.org/oas/v3.1.1.html
 */
import * as z from 'zod/mini';
import { emailPageSchema, openedEmailSchema, reprocessedSchema } from './emails.ts';
import { mailboxChangeSchema, mailboxPageSchema } from './mailboxes.ts';
import {
  foundMessagesSchema,
  givenUpSchema,
  messageCountsSchema,
  messagePageSchema,
  retriedSchema,
} from './messages.ts';
import { chartsSchema, overviewSchema } from './overview.ts';
import { failedPollSchema, pollSchema } from './poll.ts';
import { problemSchema } from './problem.ts';
import { deadEmailPageSchema, requeuedSchema } from './processing.ts';
import { incidentPageSchema, runPageSchema } from './records.ts';
import { statusSchema } from './status.ts';

const COMPONENTS = {
  Status: statusSchema,
  Poll: pollSchema,
  FailedPoll: failedPollSchema,
  Problem: problemSchema,
  Overview: overviewSchema,
  Charts: chartsSchema,
  EmailPage: emailPageSchema,
  Email: openedEmailSchema,
  MessagePage: messagePageSchema,
  FoundMessages: foundMessagesSchema,
  MessageCounts: messageCountsSchema,
  MailboxPage: mailboxPageSchema,
  MailboxChange: mailboxChangeSchema,
  RunPage: runPageSchema,
  IncidentPage: incidentPageSchema,
  Retried: retriedSchema,
  GivenUp: givenUpSchema,
  DeadEmailPage: deadEmailPageSchema,
  Requeued: requeuedSchema,
  Reprocessed: reprocessedSchema,
} as const;

type Component = keyof typeof COMPONENTS;

interface Parameter {
  readonly name: string;
  readonly in: 'query' | 'path';
  readonly description: string;
  readonly schema: object;
}

export interface Operation {
  readonly method: 'get' | 'post';
  readonly path: string;
  readonly summary: string;
  readonly answer: Component;
  /** What a failure may return besides `Problem`. */
  readonly failure?: Component;
  readonly parameters?: readonly Parameter[];
  /** The schema of the JSON body. */
  readonly body?: object;
}

const CONTROL = '/api/system/email-monitor';
const CONSOLE = '/api/console';

const PAGE: readonly Parameter[] = [
  query('before', 'Only rows with a smaller id: the `next_before` of the previous page.', {
    type: 'integer',
    minimum: 1,
  }),
  query('limit', 'Maximum number of rows.', { type: 'integer', minimum: 1, maximum: 100, default: 25 }),
];
/** The search text and the filters apply together. */
const EMAIL_LIST = {
  q: {
    description:
      'Words of the sender, recipients, subject, text and file names; or a complete Gmail id or Message-ID.',
    type: 'string',
    maxLength: 500,
  },
  from: { description: 'Only emails received at this time or later.', type: 'string', format: 'date-time' },
  to: { description: 'Only emails received before this time.', type: 'string', format: 'date-time' },
  mailbox: { description: 'Only emails of the mailbox with this address.', type: 'string' },
  processed: { description: 'Only processed or unprocessed emails.', type: 'string', enum: ['yes', 'no'] },
  attachments: { description: 'Only emails with attachments.', type: 'string', enum: ['with'] },
  defects: { description: 'Only emails with defects.', type: 'string', enum: ['with'] },
  before: { description: 'The `next_before` of the previous page.', type: 'string' },
  limit: { description: 'Maximum number of rows.', type: 'integer', minimum: 1, maximum: 100, default: 25 },
} as const;

const ID: Parameter = {
  name: 'id',
  in: 'path',
  description: 'The id of the row.',
  schema: { type: 'integer' },
};
const CONSUMER: Parameter = {
  name: 'consumer',
  in: 'path',
  description: 'The name of the consumer.',
  schema: { type: 'string' },
};

const MAILBOX: Parameter = query(
  'mailbox',
  'Only the mailbox with this address: its state, totals and advice. 404 for an unknown address.',
  { type: 'string', format: 'email' },
);
/** The body of a change of one mailbox. */
const MAILBOX_BODY = {
  type: 'object',
  required: ['email_address'],
  properties: { email_address: { type: 'string', format: 'email' } },
};

/** Every endpoint that returns JSON. The page, downloads and email previews are not included. */
export const OPERATIONS: readonly Operation[] = [
  {
    method: 'get',
    path: `${CONTROL}/status`,
    summary: 'The state of the monitor and its mailboxes, with errors and advice',
    answer: 'Status',
    parameters: [MAILBOX],
  },
  {
    method: 'post',
    path: `${CONTROL}/start`,
    summary: 'Start the monitor: set the is_running flag, resume the scheduler job, register the push watch',
    answer: 'Status',
    parameters: [
      query('new_mailbox', 'Confirm that this address is a new mailbox.', { type: 'string' }),
      query('renamed_from', 'Confirm that the known mailbox with this address was renamed.', {
        type: 'string',
      }),
    ],
  },
  {
    method: 'post',
    path: `${CONTROL}/stop`,
    summary: 'Stop the monitor: clear the is_running flag, pause the scheduler job, end the push watch',
    answer: 'Status',
  },
  {
    method: 'post',
    path: `${CONTROL}/poll-now`,
    summary: 'Run once now, even while the monitor is stopped or backing off',
    answer: 'Poll',
    failure: 'FailedPoll',
    parameters: [
      query(
        'mailbox',
        'Only the mailbox with this address, also while it is paused. 404 when no monitored mailbox has it. Without it, all that are not paused.',
        { type: 'string', format: 'email' },
      ),
      query('retry', 'Requeue the dead messages first, except those that were given up.', {
        type: 'string',
        enum: ['dead'],
      }),
      query('reconcile', "Compare Gmail's full listing with what is stored.", {
        type: 'string',
        enum: ['all'],
      }),
    ],
  },
  {
    method: 'get',
    path: `${CONSOLE}/overview`,
    summary: 'Status and metrics for the page',
    answer: 'Overview',
    parameters: [MAILBOX],
  },
  {
    method: 'get',
    path: `${CONSOLE}/charts`,
    summary: 'Emails and their latency per hour',
    answer: 'Charts',
    parameters: [
      query('hours', 'Number of hours before now.', {
        type: 'integer',
        minimum: 1,
        maximum: 336,
        default: 48,
      }),
    ],
  },
  {
    method: 'get',
    path: `${CONSOLE}/emails`,
    summary: 'Stored emails, last received first',
    answer: 'EmailPage',
    parameters: Object.entries(EMAIL_LIST).map(([name, { description, ...schema }]) =>
      query(name, description, schema),
    ),
  },
  {
    method: 'post',
    path: `${CONSOLE}/emails/search`,
    summary: 'Stored emails, last received first; search words in the body appear in no log of requests',
    answer: 'EmailPage',
    body: { type: 'object', properties: EMAIL_LIST },
  },
  {
    method: 'get',
    path: `${CONSOLE}/emails/{id}`,
    summary: 'One email with its text',
    answer: 'Email',
    parameters: [ID],
  },
  {
    method: 'post',
    path: `${CONSOLE}/emails/{id}/reprocess`,
    summary: 'Parse one stored email again from its raw bytes',
    answer: 'Reprocessed',
    parameters: [ID],
    body: {
      type: 'object',
      properties: {
        reset_processed: {
          type: 'boolean',
          description: 'Set `processed` to false if anything changes.',
          default: false,
        },
      },
    },
  },
  {
    method: 'post',
    path: `${CONSOLE}/emails/{id}/unprocess`,
    summary: 'Set `processed` of one email to false, which queues it for the consumer `extraction`',
    answer: 'Requeued',
    parameters: [ID],
  },
  {
    method: 'get',
    path: `${CONSOLE}/messages`,
    summary: 'Messages that are not stored, by state, the newest first',
    answer: 'MessagePage',
    parameters: [
      query('state', 'Which messages.', {
        type: 'string',
        default: 'failing',
        enum: ['failing', 'waiting', 'dead', 'given_up', 'ignored', 'gone'],
      }),
      query('rule', 'Only messages that this rule ignored.', { type: 'string' }),
      ...PAGE,
    ],
  },
  {
    method: 'get',
    path: `${CONSOLE}/messages/counts`,
    summary: 'Messages that each rule ignored in the last seven days',
    answer: 'MessageCounts',
  },
  {
    method: 'post',
    path: `${CONSOLE}/messages/search`,
    summary: 'Search Gmail for messages that are not stored',
    answer: 'FoundMessages',
    body: {
      type: 'object',
      properties: {
        q: { type: 'string', maxLength: 500 },
        before: { type: 'string', description: 'The `next_before` of the previous page.' },
        limit: { type: 'integer', minimum: 1, maximum: 25 },
      },
    },
  },
  {
    method: 'post',
    path: `${CONSOLE}/messages/retry`,
    summary: 'Retry all failing and dead messages that are not given up with the next run',
    answer: 'Retried',
  },
  {
    method: 'post',
    path: `${CONSOLE}/messages/{id}/retry`,
    summary: 'Retry one failing or dead message with the next run',
    answer: 'Retried',
    parameters: [ID],
  },
  {
    method: 'post',
    path: `${CONSOLE}/messages/{id}/give-up`,
    summary: 'Give up one dead message: it is not retried and no longer counts as failing',
    answer: 'GivenUp',
    parameters: [ID],
  },
  {
    method: 'get',
    path: `${CONSOLE}/dead-emails`,
    summary: 'Emails that failed five times in the queue of a consumer',
    answer: 'DeadEmailPage',
    parameters: PAGE,
  },
  {
    method: 'post',
    path: `${CONSOLE}/consumers/{consumer}/emails/{id}/requeue`,
    summary: 'Queue one email again for a consumer, with no failures',
    answer: 'Requeued',
    parameters: [CONSUMER, ID],
  },
  {
    method: 'post',
    path: `${CONSOLE}/consumers/{consumer}/requeue-dead`,
    summary: 'Queue the dead emails of a consumer again, at most 10,000',
    answer: 'Requeued',
    parameters: [CONSUMER],
  },
  {
    method: 'get',
    path: `${CONSOLE}/mailboxes`,
    summary: 'Mailboxes, the worst first, 100 per page',
    answer: 'MailboxPage',
    parameters: [
      query('contains', 'Only mailboxes whose address contains this text.', {
        type: 'string',
        maxLength: 500,
      }),
      query('offset', 'Mailboxes before the page.', { type: 'integer', minimum: 0, default: 0 }),
    ],
  },
  {
    method: 'post',
    path: `${CONSOLE}/mailboxes/add`,
    summary: 'Add a mailbox; the answer says how to give it access',
    answer: 'MailboxChange',
    body: {
      type: 'object',
      required: ['email_address', 'access'],
      properties: {
        email_address: { type: 'string', format: 'email' },
        access: { type: 'string', enum: ['refresh_token', 'delegation'] },
        label: { type: 'string', description: 'Name or id; default: all received mail.', maxLength: 500 },
        initial_query: { type: 'string', description: 'Default: GMAIL_INITIAL_QUERY.', maxLength: 500 },
      },
    },
  },
  ...(['pause', 'resume', 'remove'] as const).map(
    (verb): Operation => ({
      method: 'post',
      path: `${CONSOLE}/mailboxes/${verb}`,
      summary: {
        pause: 'Pause a mailbox: nothing is fetched for it until it is resumed',
        resume: 'Resume a mailbox: the next poll fetches what has arrived',
        remove: 'Monitor an added mailbox no longer; what is stored stays',
      }[verb],
      answer: 'MailboxChange',
      body: MAILBOX_BODY,
    }),
  ),
  { method: 'get', path: `${CONSOLE}/runs`, summary: 'Runs', answer: 'RunPage', parameters: PAGE },
  {
    method: 'get',
    path: `${CONSOLE}/incidents`,
    summary: 'Incidents',
    answer: 'IncidentPage',
    parameters: PAGE,
  },
];

/** @returns a new object each time. Times are date-time strings in UTC */
export function openApiDocument(): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const operation of OPERATIONS) {
    paths[operation.path] = { ...paths[operation.path], [operation.method]: operationObject(operation) };
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Email Monitor',
      version: '1',
      description: 'Stores every email of a Gmail mailbox in PostgreSQL. Errors are RFC 9457 problems.',
    },
    paths,
    components: { schemas: componentSchemas() },
  };
}

/** The JSON Schema (draft 2020-12) of each component, as sent. */
export function componentSchemas(): Record<Component, object> {
  const convert = (schema: z.core.$ZodType) => {
    const { $schema: _, ...converted } = z.toJSONSchema(schema, {
      io: 'input',
      target: 'draft-2020-12',
      // The format is enough; zod's date pattern is very long.
      override: ({ jsonSchema }) => {
        if (jsonSchema.format === 'date-time') delete jsonSchema.pattern;
      },
    });
    return converted;
  };
  return Object.fromEntries(
    Object.entries(COMPONENTS).map(([name, schema]) => [name, convert(schema)]),
  ) as Record<Component, object>;
}

function operationObject({ answer, body, failure, parameters = [], summary }: Operation): object {
  return {
    summary,
    ...(parameters.length === 0
      ? {}
      : { parameters: parameters.map((one) => ({ ...one, required: one.in === 'path' })) }),
    ...(body === undefined ? {} : { requestBody: { content: { 'application/json': { schema: body } } } }),
    responses: {
      200: content('Success', 'application/json', reference(answer)),
      default: content(
        'An error',
        'application/problem+json',
        failure === undefined ? reference('Problem') : { anyOf: [reference(failure), reference('Problem')] },
      ),
    },
  };
}

function content(description: string, type: string, schema: object): object {
  return { description, content: { [type]: { schema } } };
}

function reference(component: Component): object {
  return { $ref: `#/components/schemas/${component}` };
}

function query(name: string, description: string, schema: object): Parameter {
  return { name, in: 'query', description, schema };
}
