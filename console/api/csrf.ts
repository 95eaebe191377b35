/**
 * Who may change something, or search, through the console: its own page, and programs that are no browser. Another
 * site's page may not, though the operator's browser or proxy would lend it the operator's identity.
 * https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Sec-Fetch-Site
 */
import { AppError } from '../../shared/errors.ts';
import type { HttpRequest } from '../../shared/http.ts';

/** @throws {AppError} cross_site */
export function assertSameSite({ headers }: HttpRequest): void {
  const site = one(headers['sec-fetch-site']);
  if (site !== null) {
    // `none` is a person who typed the address.
    if (site === 'same-origin' || site === 'none') return;
    throw new AppError('cross_site', 'The browser says that the call comes from another site.');
  }
  const origin = one(headers['origin']);
  if (origin === null) return;
  const host = URL.canParse(origin) ? new URL(origin).host : null;
  const ours = [one(headers['host']), ...(one(headers['x-forwarded-host'])?.split(',') ?? [])];
  if (host !== null && ours.some((name) => name !== null && sameHost(name, origin, host))) return;
  throw new AppError('cross_site', 'The origin of the call is not the host that it came to.');
}

/** A URL leaves its usual port out and writes its host in lower case; a Host header may do neither. */
function sameHost(name: string, origin: string, host: string): boolean {
  const address = `${new URL(origin).protocol}//${name.trim()}`;
  return URL.canParse(address) && new URL(address).host === host;
}

function one(header: string | string[] | undefined): string | null {
  const value = Array.isArray(header) ? header[0] : header;
  return value === undefined || value === '' ? null : value;
}
