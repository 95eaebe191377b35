/** Compares a JSON response with the schema of its endpoint. Fails for a field that is missing, wrong, or undocumented. */
import { expect } from 'vitest';
import * as z from 'zod/mini';
import { attachmentUrlSchema } from '../../shared/schemas/attachment-url.ts';
import { emailPageSchema, openedEmailSchema, reprocessedSchema } from '../../shared/schemas/emails.ts';
import { mailboxChangeSchema, mailboxPageSchema } from '../../shared/schemas/mailboxes.ts';
import {
  foundMessagesSchema,
  givenUpSchema,
  messageCountsSchema,
  messagePageSchema,
  retriedSchema,
} from '../../shared/schemas/messages.ts';
import { migrateSchema } from '../../shared/schemas/migrate.ts';
import { chartsSchema, overviewSchema } from '../../shared/schemas/overview.ts';
import { failedPollSchema, pollSchema } from '../../shared/schemas/poll.ts';
import { problemSchema } from '../../shared/schemas/problem.ts';
import { requeuedSchema } from '../../shared/schemas/processing.ts';
import { incidentPageSchema, runPageSchema } from '../../shared/schemas/records.ts';
import { statusSchema } from '../../shared/schemas/status.ts';

const BY_TARGET: Readonly<Record<string, z.ZodMiniType>> = {
  status: statusSchema,
  start: statusSchema,
  stop: statusSchema,
  poll: pollSchema,
  pollNow: pollSchema,
  attachmentUrl: attachmentUrlSchema,
  migrate: migrateSchema,
};

const BY_PATH: readonly (readonly [RegExp, z.ZodMiniType])[] = [
  [/\/email-monitor\/(status|start|stop)$/, statusSchema],
  [/\/email-monitor\/poll-now$/, pollSchema],
  [/\/console\/overview$/, overviewSchema],
  [/\/console\/charts$/, chartsSchema],
  [/\/console\/emails(\/search)?$/, emailPageSchema],
  [/\/console\/emails\/\d+$/, openedEmailSchema],
  [/\/console\/emails\/\d+\/reprocess$/, reprocessedSchema],
  [/\/console\/emails\/\d+\/unprocess$/, requeuedSchema],
  [/\/console\/messages$/, messagePageSchema],
  [/\/console\/messages\/search$/, foundMessagesSchema],
  [/\/console\/messages\/counts$/, messageCountsSchema],
  [/\/console\/messages\/(\d+\/)?retry$/, retriedSchema],
  [/\/console\/messages\/\d+\/give-up$/, givenUpSchema],
  [/\/console\/mailboxes$/, mailboxPageSchema],
  [/\/console\/mailboxes\/\w+$/, mailboxChangeSchema],
  [/\/console\/runs$/, runPageSchema],
  [/\/console\/incidents$/, incidentPageSchema],
];

/**
 * @param target name of the function; for `console`, the path selects the schema
 * @param json the parsed response body
 */
export function checkResponse(
  { target, path = '/' }: { readonly target: string; readonly path?: string | undefined },
  { json, status }: { readonly json: unknown; readonly status: number },
): void {
  const schema = status === 200 ? successSchema(target, path) : failureSchema(json);
  if (schema === null) return;
  const parsed = z.safeDecode(schema, json);
  expect(parsed.error?.issues ?? [], `${target} ${path} ${status}`).toEqual([]);
  // Decoding drops fields that the schema does not define.
  expect(JSON.parse(JSON.stringify(parsed.data)), `${target} ${path} ${status}`).toEqual(json);
}

function successSchema(target: string, path: string): z.ZodMiniType | null {
  if (target !== 'console') return BY_TARGET[target] ?? null;
  const clean = path.replace(/\/$/, '');
  return BY_PATH.find(([pattern]) => pattern.test(clean))?.[1] ?? null;
}

function failureSchema(json: unknown): z.ZodMiniType {
  return typeof json === 'object' && json !== null && 'outcome' in json ? failedPollSchema : problemSchema;
}
