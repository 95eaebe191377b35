/**
 * Rejects requests that a web page sends to a server on loopback. Binding to loopback is not enough: every page in a browser on
 * this machine can send requests to the port. After DNS rebinding, when the page's own name resolves to 127.0.0.1, it even
 * reads the responses.
 */
import type { IncomingHttpHeaders } from 'node:http';

/** `localhost`, 127.0.0.0/8 and `[::1]`, without a port. No DNS server resolves these for an attacker. */
const LOOPBACK_HOST = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/i;

/** What a browser sends when the operator typed the address, or the server's own page sent the request. */
const OWN_SITE = ['none', 'same-origin'];

/** @param name as `hostname` of a URL has it */
export function isLoopbackName(name: string): boolean {
  return LOOPBACK_HOST.test(name);
}

/** The Host header names loopback, with or without a port. */
export function hasLoopbackHost({ host }: IncomingHttpHeaders): boolean {
  return host !== undefined && isLoopbackName(host.replace(/:\d*$/, ''));
}

/**
 * For servers without a page of their own: programs send neither Origin nor Sec-Fetch-Site.
 *
 * @returns why the request is rejected; null when it is allowed
 */
export function rejectionOf(headers: IncomingHttpHeaders): string | null {
  if (!hasLoopbackHost(headers)) return 'The Host header must name loopback, as in 127.0.0.1 or localhost.';
  if (headers.origin !== undefined)
    return 'Requests from web pages are rejected: they have an Origin header.';
  const site = headers['sec-fetch-site'];
  if (site !== undefined && !OWN_SITE.includes(String(site))) return 'Requests from web pages are rejected.';
  return null;
}

/** A browser sends JSON to another origin only after a preflight request, which no emulator answers. */
export function isJson(headers: IncomingHttpHeaders): boolean {
  return /^application\/json\s*(;|$)/i.test(headers['content-type'] ?? '');
}
