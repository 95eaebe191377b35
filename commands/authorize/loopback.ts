/**
 * The loopback server that Google redirects the browser to. It accepts one redirect, and the browser shows a plain page
 * with the result.
 * Invariant: it listens on 127.0.0.1 only, and always closes.
 *
 * https://datatracker.ietf.org/doc/html/rfc8252#section-7.3
 */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface RedirectOptions<T> {
  readonly timeoutMs: number;
  /** 0: any free port. */
  readonly port: number;
  /** Called with the address that the browser must return to: `http://127.0.0.1:PORT`. */
  readonly onListening: (redirectUri: string) => void | Promise<void>;
  /** Processes the redirect while the browser waits. The browser also shows the error that it throws. */
  readonly finish: (redirect: URLSearchParams, redirectUri: string) => Promise<T>;
  /** The page that the browser shows after success. */
  readonly page: (result: T) => Page;
  /** A second source of the redirect, for a browser that cannot reach this machine. Returns a function that stops it. */
  readonly listenElsewhere?: (accept: (redirect: URLSearchParams) => void) => () => void;
}

export interface Page {
  readonly title: string;
  readonly text: string;
}

/** @throws {Error} the error of `finish`, or a timeout with its remediation */
export async function awaitRedirect<T>(options: RedirectOptions<T>): Promise<T> {
  const done = Promise.withResolvers<T>();
  // It is awaited only later, and an earlier rejection must not be reported as unhandled.
  done.promise.catch(() => undefined);
  let redirectUri = '';
  let work: Promise<T> | undefined;
  // A code is valid once. A browser that loads the page twice gets the same result twice.
  const accept = (redirect: URLSearchParams): Promise<T> => {
    work ??= options.finish(redirect, redirectUri);
    return work;
  };

  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://127.0.0.1');
    const isRedirect = ['code', 'error', 'state'].some((name) => url.searchParams.has(name));
    if (request.method !== 'GET' || url.pathname !== '/' || !isRedirect) {
      response.writeHead(404, { connection: 'close' }).end();
      return;
    }
    accept(url.searchParams).then(
      (result) => showPage(response, 200, options.page(result), () => done.resolve(result)),
      (error: unknown) => {
        const text = error instanceof Error ? error.message : String(error);
        showPage(response, 400, { title: 'Not authorized', text }, () => done.reject(error));
      },
    );
  });

  const timer = setTimeout(() => done.reject(new Error(timeoutText(options.timeoutMs))), options.timeoutMs);
  let stopListening: (() => void) | undefined;
  try {
    redirectUri = await listen(server, options.port);
    await options.onListening(redirectUri);
    stopListening = options.listenElsewhere?.(
      (redirect) => void accept(redirect).then(done.resolve, done.reject),
    );
    return await done.promise;
  } finally {
    stopListening?.();
    clearTimeout(timer);
    server.close();
    server.closeAllConnections();
  }
}

async function listen(server: Server, port: number): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new Error(listenErrorText(port, error), { cause: error })));
    server.listen(port, '127.0.0.1', resolve);
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** @param onSent called when the page is sent: the process may end right afterwards */
function showPage(response: ServerResponse, status: number, page: Page, onSent: () => void): void {
  response.once('close', onSent);
  response
    .writeHead(status, {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
      // The address of this page contains the code.
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
      connection: 'close',
    })
    .end(
      '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">' +
        `<title>${escaped(page.title)}</title>` +
        '<body style="font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:4em auto;padding:0 1em">' +
        `<h1 style="font-size:1.3em">${escaped(page.title)}</h1>` +
        `<p style="white-space:pre-line">${escaped(page.text)}</p>\n`,
    );
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}

function listenErrorText(port: number, error: NodeJS.ErrnoException): string {
  if (error.code === 'EADDRINUSE')
    return `Port ${port} of this machine is taken. Choose another with --port, or omit it to use any free port.`;
  const reason = `Cannot listen on port ${port} of this machine (${error.code ?? error.name}).`;
  return `${reason} Choose one above 1023 with --port, or omit it.`;
}

function timeoutText(timeoutMs: number): string {
  const minutes = Math.round(timeoutMs / 60_000);
  return (
    `No redirect came from the browser within ${minutes} ${minutes === 1 ? 'minute' : 'minutes'}. ` +
    'Run `npm run authorize` again and open its URL in a browser on this machine, or paste here the address that the ' +
    "browser ends at. If Google's page shows an error (deleted_client, invalid_client), it does not redirect: the OAuth " +
    'client was deleted or is wrong. Create one of the type "Desktop app" in the Cloud console, under ' +
    'APIs & Services > Credentials, and pass its file with --client-secret.'
  );
}
