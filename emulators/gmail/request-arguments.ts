// Arguments of a Gmail call, validated with Google's own error messages, and the opaque page tokens of both list
// methods.

import { invalidArgument } from './google-error.ts';

export interface GmailRequest {
  /** The ids in the path, in order. */
  ids: string[];
  query: URLSearchParams;
  /** The JSON body; an empty object without one. */
  body: Record<string, unknown>;
}

/** Page size of both list methods: 100 by default, at most 500. */
export function pageSize(query: URLSearchParams): number {
  const given = query.get('maxResults');
  if (given === null) return 100;
  if (!/^\d{1,10}$/.test(given)) {
    throw invalidArgument(`Invalid value at 'max_results' (TYPE_UINT32), "${given}"`);
  }
  // Gmail treats 0 as the default and caps larger values.
  return Math.min(Number(given) || 100, 500);
}

export function booleanArgument(query: URLSearchParams, name: string): boolean {
  const given = query.get(name);
  if (given === null || given === 'false') return false;
  if (given === 'true') return true;
  throw invalidArgument(`Invalid value at '${name}' (TYPE_BOOL), "${given}"`);
}

/** A repeated argument. Commas do not separate values. */
export function listArgument(query: URLSearchParams, name: string): string[] {
  return query.getAll(name).filter((value) => value !== '');
}

/** A list of strings in the JSON body. */
export function bodyList(body: Record<string, unknown>, name: string): string[] {
  const given = body[name];
  if (given === undefined || given === null) return [];
  if (!Array.isArray(given) || !given.every((entry) => typeof entry === 'string')) {
    throw invalidArgument(`Invalid value at '${name}'`);
  }
  return given;
}

export function writePageToken(position: Record<string, string>): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url');
}

/**
 * The decoded page token; null without one.
 * @throws {GoogleError} 400 for a token that `writePageToken` did not write with these fields
 */
export function readPageToken<Field extends string>(
  query: URLSearchParams,
  fields: readonly Field[],
): Record<Field, string> | null {
  const token = query.get('pageToken');
  if (token === null || token === '') return null;
  let position: unknown;
  try {
    position = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'));
  } catch {
    throw invalidArgument('Invalid pageToken');
  }
  if (typeof position !== 'object' || position === null || fields.some((field) => !(field in position))) {
    throw invalidArgument('Invalid pageToken');
  }
  return position as Record<Field, string>;
}
