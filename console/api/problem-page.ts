/**
 * Shows a problem as a page where the browser itself displays the response. That is in the frame with the HTML of an email,
 * and after a failed download. Programs and the page's own requests, which do not accept HTML, receive JSON.
 */
import type { HttpRequest, HttpResponse } from '../../shared/http.ts';
import type { Problem } from '../../shared/schemas/problem.ts';

/** @returns the response itself unless it is a problem and the request accepts HTML */
export function toProblemPage(request: HttpRequest, response: HttpResponse): HttpResponse {
  const isProblem = response.headers['content-type'] === 'application/problem+json';
  if (!isProblem || !String(request.headers['accept']).includes('text/html')) return response;
  const { detail, remediation, title } = JSON.parse(String(response.body)) as Problem;
  const headers = {
    ...response.headers,
    'content-security-policy': "sandbox; default-src 'none'; frame-ancestors 'self'",
    'content-type': 'text/html; charset=utf-8',
    vary: 'Accept',
  };
  const body =
    '<!doctype html>\n<html lang="en"><meta name="color-scheme" content="light dark">' +
    `<title>${escaped(title)}</title>\n<h1>${escaped(title)}</h1>\n<p>${escaped(detail)}\n<p>${escaped(remediation)}\n`;
  return { ...response, headers, body };
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
