/**
 * Members that several responses share. Every response has one schema. Functions build its output type (times are `Date`),
 * and `JSON.stringify` encodes it. Clients read its input type (times are ISO strings) or decode it.
 * Functions and the page import types only, so that no request loads or runs zod.
 */
import * as z from 'zod/mini';

/** ISO 8601 in UTC on the wire, a `Date` in our code. */
export const time = z.codec(z.iso.datetime(), z.date(), {
  decode: (text) => new Date(text),
  encode: (date) => date.toISOString(),
});

/** An integer from 0. */
export const count = z.int().check(z.gte(0));

/** An id in the database. */
export const id = z.int().check(z.gte(1));

/** An error of the catalogue. */
export const errorSchema = z.object({
  code: z.string(),
  detail: z.nullable(z.string()),
  /** What to do next. Null for a code that another version wrote, and when it only promises a retry while no run takes place. */
  remediation: z.nullable(z.string()),
});

export type ErrorInfo = z.output<typeof errorSchema>;
export type ErrorInfoJson = z.input<typeof errorSchema>;
