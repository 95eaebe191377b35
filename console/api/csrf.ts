/**
 * Protects requests that change data or search from cross-site request forgery. The console's own page and programs such as
 * curl are allowed. A page of another site is rejected, because the operator's browser or proxy would authenticate its
 * requests as the operator.
 * https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Sec-Fetch-Site
 */
import { AppError } from '../../shared/errors.ts';
import type { HttpRequest } from '../../shared/http.ts';

/**
 * Allows a request without Sec-Fetch-Site and Origin: it does not come from a browser.
 *
 * @throws {AppError} cross_site
 */
export function assertSameOrigin({ headers }: HttpRequest): void {
  const site = firstValue(headers['sec-fetch-site']);
  if (site !== null) {
    // `none`: the user typed the address or opened a bookmark.
    if (site === 'same-origin' || site === 'none') return;
    throw new AppError('cross_site', 'The browser reports that the request comes from another site.');
  }
  const origin = firstValue(headers['origin']);
  if (origin === null) return;
  const host = URL.canParse(origin) ? new URL(origin).host : null;
  const ownHosts = [
    firstValue(headers['host']),
    ...(firstValue(headers['x-forwarded-host'])?.split(',') ?? []),
  ];
  if (host !== null && ownHosts.some((name) => name !== null && sameHost(name, origin, host))) return;
  throw new AppError('cross_site', 'The origin of the request is not the host that it was sent to.');
}

/** A URL omits the default port and has its host in lower case. A Host header may have the port, and upper case. */
function sameHost(name: string, origin: string, host: string): boolean {
  const address = `${new URL(origin).protocol}//${name.trim()}`;
  return URL.canParse(address) && new URL(address).host === host;
}

function firstValue(header: string | string[] | undefined): string | null {
  const value = Array.isArray(header) ? header[0] : header;
  return value === undefined || value === '' ? null : value;
}
