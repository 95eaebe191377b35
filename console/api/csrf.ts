/**
 * Rejects requests of foreign web pages. The operator's browser or proxy authenticates every request as the operator, also one
 * that a foreign page sends.
 * Invariant: no response under /api reaches a page of another site. This includes DNS rebinding, when the name of the
 * attacker's page resolves to this server. Chromium then sends no Sec-Fetch-Site, and no Origin with a GET.
 * https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Sec-Fetch-Site
 */
import { AppError } from '../../shared/errors.ts';
import type { HttpRequest } from '../../shared/http.ts';

/** `none`: the user typed the address or opened a bookmark. */
const OWN_SITES = ['same-origin', 'none'];

/** Any port: `gcloud run services proxy` keeps the browser's Origin and replaces Host with the name of the service. */
const LOOPBACK_ORIGIN = /^https?:\/\/(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i;

/**
 * For data: Sec-Fetch-Site or Origin must prove that the console's own page sent the request, or that the user typed the
 * address.
 *
 * @throws {AppError} cross_site
 */
export function assertOwnPage(request: HttpRequest): void {
  assertNotForeign(request);
  const { headers } = request;
  if (firstValue(headers['sec-fetch-site']) !== null || firstValue(headers['origin']) !== null) return;
  throw new AppError(
    'cross_site',
    'The request has neither a Sec-Fetch-Site nor an Origin header. Over plain HTTP, browsers send neither with a download or a frame: open the console over HTTPS or at localhost.',
  );
}

/**
 * Also allows a request without Sec-Fetch-Site and Origin, as curl sends it.
 *
 * @throws {AppError} cross_site
 */
export function assertNotForeign({ headers }: HttpRequest): void {
  const site = firstValue(headers['sec-fetch-site']);
  if (site !== null && !OWN_SITES.includes(site))
    throw new AppError('cross_site', 'The browser reports that the request comes from another site.');
  const origin = firstValue(headers['origin']);
  if (origin !== null && !isOwnOrigin(origin, firstValue(headers['host'])))
    throw new AppError('cross_site', 'The origin of the request is not the host that it was sent to.');
}

/** X-Forwarded-Host is ignored, because a page may set it. */
function isOwnOrigin(origin: string, host: string | null): boolean {
  if (LOOPBACK_ORIGIN.test(origin)) return true;
  if (host === null || !URL.canParse(origin)) return false;
  const { host: originHost, protocol } = new URL(origin);
  // A URL omits the default port and has its host in lower case. A Host header may have the port, and upper case.
  const own = `${protocol}//${host.trim()}`;
  return originHost !== '' && URL.canParse(own) && new URL(own).host === originHost;
}

function firstValue(header: string | string[] | undefined): string | null {
  const value = Array.isArray(header) ? header[0] : header;
  return value === undefined || value === '' ? null : value;
}
