// The emulator's switches as one JSON object, read and set by `POST /control/switches`. A switch that the request
// omits keeps its value.

import { z } from 'zod';
import type { EmulatedGmail } from './gmail-service.ts';

const probability = z.number().min(0).max(1);
const milliseconds = z.number().nonnegative();

/** Switches of one part of the emulator, by the name of its property on `EmulatedGmail`. */
const groupSchemas = {
  indexLag: z.strictObject({
    historyMs: milliseconds,
    listMs: milliseconds,
    nextRecordMs: milliseconds,
    lateRecordProbability: probability,
    lateRecordMs: milliseconds,
  }),
  quota: z.strictObject({
    unitsPerMinute: z.int().positive().nullable(),
    maxConcurrent: z.int().positive().nullable(),
    refusal: z.enum(['403 rateLimitExceeded', '403 userRateLimitExceeded', '429 rateLimitExceeded']),
  }),
  oauth: z.strictObject({
    denyConsent: z.boolean(),
    allowsDelegation: z.boolean(),
    accessTokenSeconds: z.number().positive(),
  }),
  notifications: z.strictObject({
    url: z.url().nullable(),
    subscription: z.string(),
    headers: z.record(z.string(), z.string()),
    isRateLimited: z.boolean(),
    historyIdAs: z.enum(['number', 'string']),
    dropProbability: probability,
    duplicateProbability: probability,
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
    emptyHistoryPages: z.int().nonnegative(),
    indexLag: groupSchemas.indexLag.partial(),
    quota: groupSchemas.quota.partial(),
    oauth: groupSchemas.oauth.partial(),
    notifications: groupSchemas.notifications.partial(),
  })
  .partial();

const groups = ['indexLag', 'quota', 'oauth', 'notifications'] as const;

/**
 * Sets the switches in `body` and returns the values of all switches.
 * @throws {z.ZodError} for an unknown switch or an invalid value; then no switch is changed
 */
export function setSwitches(gmail: EmulatedGmail, body: unknown): unknown {
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
