/** Validates the parameters of a console request: ids, integers within bounds, and search text. */

import { AppError } from '../../shared/errors.ts';
import type { HttpRequest, Route } from '../../shared/http.ts';
import type { Log } from '../../shared/log.ts';
import { MAX_ID, type PageRequest } from './pagination.ts';

/**
 * Answers the requests of one route.
 *
 * @param params the capture groups of the path pattern
 */
export type Handler = (
  request: HttpRequest,
  params: readonly string[],
  log: Log,
) => ReturnType<Route['handle']>;

/** The query string or the JSON body, not validated yet. */
export type RequestParameters = Readonly<Record<string, unknown>>;

const DEFAULT_PAGE_ROWS = 25;
export const MAX_PAGE_ROWS = 100;
const MAX_SEARCH_CHARACTERS = 500;

/** @throws {AppError} bad_request */
export function pageRequest(parameters: RequestParameters): PageRequest {
  const before = parameters['before'] ?? null;
  return {
    beforeId: before === null ? null : integerParameter(before, 'before', 1, MAX_ID),
    limit: integerParameter(parameters['limit'] ?? DEFAULT_PAGE_ROWS, 'limit', 1, MAX_PAGE_ROWS),
  };
}

/** @throws {AppError} bad_request, whose detail does not repeat the value, because it may be text from an email */
export function integerParameter(value: unknown, name: string, min: number, max: number): number {
  const number = typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : value;
  if (typeof number === 'number' && Number.isInteger(number) && number >= min && number <= max) return number;
  throw new AppError('bad_request', `"${name}" must be a whole number from ${min} to ${max}.`);
}

/** @param segment of the path @throws {AppError} bad_request */
export function idParameter(segment: string): number {
  return integerParameter(segment, 'id', 1, MAX_ID);
}

/** @returns null when there is no search text @throws {AppError} bad_request */
export function searchText(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'string' || value.length > MAX_SEARCH_CHARACTERS)
    throw new AppError('bad_request', `"q" must be text of at most ${MAX_SEARCH_CHARACTERS} characters.`);
  // PostgreSQL text can contain neither NUL nor a lone surrogate.
  const text = value.replaceAll('\0', ' ').toWellFormed().trim();
  return text === '' ? null : text;
}

/** The body of a POST request. @throws {AppError} bad_request unless it is a JSON object */
export function jsonBody(body: unknown): RequestParameters {
  if (typeof body === 'object' && body !== null && !Array.isArray(body) && !Buffer.isBuffer(body))
    return body as RequestParameters;
  throw new AppError('bad_request', 'Send a JSON object with the content type application/json.');
}
