/** What a request of the console may ask for, checked: whole numbers within bounds, and words. */

import { AppError } from '../../shared/errors.ts';
import { ABOVE_ALL, type PageAsk } from './pagination.ts';

export type Given = Readonly<Record<string, unknown>>;

const PAGE_ROWS = { usual: 25, most: 100 };
const MOST_CHARACTERS = 500;

/** @throws {AppError} bad_request */
export function pageAsk(given: Given): PageAsk {
  return {
    before: (given['before'] ?? null) === null ? null : whole(given['before'], 'before', 1, ABOVE_ALL),
    limit: whole(given['limit'] ?? PAGE_ROWS.usual, 'limit', 1, PAGE_ROWS.most),
  };
}

/** @throws {AppError} bad_request; it does not repeat what was given, which may be a word of mail */
export function whole(value: unknown, name: string, least: number, most: number): number {
  const number = typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : value;
  if (typeof number === 'number' && Number.isInteger(number) && number >= least && number <= most)
    return number;
  throw new AppError('bad_request', `"${name}" must be a whole number from ${least} to ${most}.`);
}

/** An id out of a path. @throws {AppError} bad_request */
export function idOf(piece: string): number {
  return whole(piece, 'id', 1, ABOVE_ALL);
}

/** Null: none. @throws {AppError} bad_request */
export function searchText(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'string' || value.length > MOST_CHARACTERS)
    throw new AppError('bad_request', `"q" must be text of at most ${MOST_CHARACTERS} characters.`);
  // PostgreSQL's text holds no NUL and no half character.
  const text = value.replaceAll('\0', ' ').toWellFormed().trim();
  return text === '' ? null : text;
}

/** The body of a POST. @throws {AppError} bad_request */
export function jsonBody(body: unknown): Given {
  if (typeof body === 'object' && body !== null && !Array.isArray(body) && !Buffer.isBuffer(body))
    return body as Given;
  throw new AppError('bad_request', 'Send a JSON object, with content-type application/json.');
}
