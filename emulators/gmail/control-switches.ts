// The emulator's switches as one JSON object, read and turned by `POST /control/switches`. What is left out
// stays as it is.

import { z } from 'zod';
import type { EmulatedGmail } from './emulated-gmail.ts';

const chance = z.number().min(0).max(1);
const milliseconds = z.number().nonnegative();

/** Switches that stand together on one part of the emulator, under its name. */
const groupSchemas = {
  indexLag: z.strictObject({
    historyMs: milliseconds,
    listMs: milliseconds,
    nextRecordMs: milliseconds,
    lateRecordProbability: chance,
    lateRecordMs: milliseconds,
  }),
  quota: z.strictObject({
    unitsPerMinute: z.int().positive().nullable(),
    maxConcurrent: z.int().positive().nullable(),
    refusal: z.enum(['403 rateLimitExceeded', '403 userRateLimitExceeded', '429 rateLimitExceeded']),
  }),
  oauth: z.strictObject({ denyConsent: z.boolean(), accessTokenSeconds: z.number().positive() }),
  notifications: z.strictObject({
    url: z.url().nullable(),
    subscription: z.string(),
    headers: z.record(z.string(), z.string()),
    isRateLimited: z.boolean(),
    historyIdAs: z.enum(['number', 'string']),
    dropProbability: chance,
    duplicateProbability: chance,
    delayMs: milliseconds,
    jitterMs: milliseconds,
    maxAttempts: z.int().positive(),
    firstBackoffMs: milliseconds,
    maxBackoffMs: milliseconds,
    ackDeadlineMs: milliseconds,
  }),
};

const switchesSchema = z
  .strictObject({
    latencyMs: milliseconds,
    compresses: z.boolean(),
    /** Empty pages, each with a token, before every page of history.list. */
    emptyHistoryPages: z.int().nonnegative(),
    indexLag: groupSchemas.indexLag.partial(),
    quota: groupSchemas.quota.partial(),
    oauth: groupSchemas.oauth.partial(),
    notifications: groupSchemas.notifications.partial(),
  })
  .partial();

const groups = ['indexLag', 'quota', 'oauth', 'notifications'] as const;

/**
 * Turns what `body` names and gives all switches as they are then.
 * @throws {z.ZodError} an unknown switch or a value that it cannot have; nothing is turned then
 */
export function turnSwitches(gmail: EmulatedGmail, body: unknown): unknown {
  const wanted = switchesSchema.parse(body);
  for (const group of groups) Object.assign(gmail[group], wanted[group]);
  const { latencyMs, compresses, emptyHistoryPages } = wanted;
  if (latencyMs !== undefined) gmail.latencyMs = latencyMs;
  if (compresses !== undefined) gmail.compresses = compresses;
  if (emptyHistoryPages !== undefined) gmail.emptyHistoryPages = emptyHistoryPages;
  return readSwitches(gmail);
}

export function readSwitches(gmail: EmulatedGmail): Record<string, unknown> {
  const { latencyMs, compresses, emptyHistoryPages } = gmail;
  const read: Record<string, unknown> = { latencyMs, compresses, emptyHistoryPages };
  for (const group of groups) {
    const names = Object.keys(groupSchemas[group].shape);
    const values: Record<string, unknown> = { ...gmail[group] };
    read[group] = Object.fromEntries(names.map((name) => [name, values[name]]));
  }
  return read;
}
