/**
 * The members that several answers share. Every answer has one schema: functions build its output type (times are
 * `Date`) and `JSON.stringify` encodes it; clients read its input type (times are ISO strings) or decode it.
 * Functions and the page import types only, so that no request pays for loading or running zod.
 */
import * as z from 'zod/mini';

/** ISO 8601 in UTC on the wire, a `Date` in our code. */
export const time = z.codec(z.iso.datetime(), z.date(), {
  decode: (text) => new Date(text),
  encode: (date) => date.toISOString(),
});

/** A whole number from 0. */
export const count = z.int().check(z.gte(0));

/** An id of our database. */
export const id = z.int().check(z.gte(1));

/** What is wrong, by the catalogue of errors. */
export const errorSchema = z.object({
  code: z.string(),
  detail: z.nullable(z.string()),
  /** What to do; null for a code that another version wrote. */
  remediation: z.nullable(z.string()),
});

export type ErrorInfo = z.output<typeof errorSchema>;
export type ErrorInfoJson = z.input<typeof errorSchema>;
