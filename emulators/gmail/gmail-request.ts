// A Gmail call as a handler sees it, and the reading of its arguments with Google's own refusals. Also the
// opaque page tokens of both listings.

import { invalidArgument } from './google-error.ts';

export interface GmailRequest {
  /** The ids in the path, in their order. */
  ids: string[];
  query: URLSearchParams;
  /** The JSON body; an empty object when there is none. */
  body: Record<string, unknown>;
}

/** Both listings: 100 a page unless asked otherwise, at most 500. */
export function pageSize(query: URLSearchParams): number {
  const given = query.get('maxResults');
  if (given === null) return 100;
  if (!/^\d{1,10}$/.test(given)) {
    throw invalidArgument(`Invalid value at 'max_results' (TYPE_UINT32), "${given}"`);
  }
  // Zero counts as not given, more than the most is taken down to it.
  return Math.min(Number(given) || 100, 500);
}

export function booleanArgument(query: URLSearchParams, name: string): boolean {
  const given = query.get(name);
  if (given === null || given === 'false') return false;
  if (given === 'true') return true;
  throw invalidArgument(`Invalid value at '${name}' (TYPE_BOOL), "${given}"`);
}

/** A repeated argument; commas do not separate. */
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

export function writePageToken(place: Record<string, string>): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url');
}

/** @throws {GoogleError} 400 for a token that was not given by `writePageToken` with these fields */
export function readPageToken<Field extends string>(
  query: URLSearchParams,
  fields: readonly Field[],
): Record<Field, string> | null {
  const token = query.get('pageToken');
  if (token === null || token === '') return null;
  let place: unknown;
  try {
    place = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'));
  } catch {
    throw invalidArgument('Invalid pageToken');
  }
  if (typeof place !== 'object' || place === null || fields.some((field) => !(field in place))) {
    throw invalidArgument('Invalid pageToken');
  }
  return place as Record<Field, string>;
}
