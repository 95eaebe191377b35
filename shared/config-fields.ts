/** The kinds of values that `config.ts` reads from the environment. An empty value means the default. */
// zod/mini loads faster than zod, which shortens a cold start.
import * as z from 'zod/mini';

/** Trimmed; null when empty. */
export const optional = z._default(
  z.pipe(
    z.string().check(z.trim()),
    z.transform((value) => (value === '' ? null : value)),
  ),
  null,
);

export function matching(pattern: RegExp, format: string) {
  return optional.check(
    z.refine((value) => value === null || pattern.test(value), `must have the form ${format}`),
  );
}

export function withDefault(fallback: string) {
  return z.pipe(
    optional,
    z.transform((value) => value ?? fallback),
  );
}

export function integer(fallback: number, min: number, max: number) {
  const rule = `must be a whole number from ${min} to ${max}`;
  return z
    .pipe(
      optional,
      z.transform((value) => (value === null ? fallback : Number(value))),
    )
    .check(z.refine((value) => Number.isInteger(value) && value >= min && value <= max, rule));
}

export const httpUrl = optional.check(
  z.refine(
    (value) => value === null || (/^https?:\/\//.test(value) && URL.canParse(value)),
    'must be an http:// or https:// URL',
  ),
);

export const bucketName = optional.check(
  z.refine((value) => value === null || !/^gs:/.test(value), {
    error: 'must be the name alone: leave out gs://',
    abort: true,
  }),
  z.refine(
    (value) => value === null || /^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/.test(value),
    'must be the name of a bucket: 3 to 222 lower-case letters, digits, dots, dashes and underscores',
  ),
);

const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]']);

/** An identity token is sent there. */
export const privateUrl = optional.check(
  z.refine(
    (value) => value === null || isPrivateUrl(value),
    'must be an https:// URL, or an http:// URL of a loopback address',
  ),
);

const POSTGRES_SCHEME = /^postgres(ql)?:\/\//;

export const databaseUrl = optional.check(
  z.refine((value) => value === null || POSTGRES_SCHEME.test(value), {
    error: 'must begin with postgresql:// or postgres://, because the database is PostgreSQL',
    abort: true,
  }),
  z.refine(
    (value) => value === null || URL.canParse(value),
    'must have the form postgresql://user@host:port/database',
  ),
);

function isPrivateUrl(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const { hostname, protocol } = new URL(value);
  return protocol === 'https:' || (protocol === 'http:' && LOOPBACK.has(hostname));
}
