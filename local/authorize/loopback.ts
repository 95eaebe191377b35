/**
 * The loopback address that Google sends the browser back to: one answer is taken, and the browser sees a plain page
 * that says what became of it. What must stay true: it listens on 127.0.0.1 only, and always ends.
 *
 * https://datatracker.ietf.org/doc/html/rfc8252#section-7.3
 */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface RedirectOptions<T> {
  readonly timeoutMs: number;
  /** Told where the browser is expected: `http://127.0.0.1:PORT`. */
  readonly onListening: (redirectUri: string) => void | Promise<void>;
  /** Deals with the answer while the browser waits. What it throws is shown there, too. */
  readonly finish: (answer: URLSearchParams, redirectUri: string) => Promise<T>;
  /** What the browser shows when `finish` succeeded. */
  readonly page: (result: T) => Page;
}

export interface Page {
  readonly title: string;
  readonly text: string;
}

/** @throws {Error} what `finish` threw, or a sentence when nobody came in time */
export async function awaitRedirect<T>(options: RedirectOptions<T>): Promise<T> {
  const done = Promise.withResolvers<T>();
  // Whoever awaits comes later: a failure before that is no unhandled one.
  done.promise.catch(() => undefined);
  let redirectUri = '';
  let work: Promise<T> | undefined;

  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://127.0.0.1');
    const isAnswer = ['code', 'error', 'state'].some((name) => url.searchParams.has(name));
    if (request.method !== 'GET' || url.pathname !== '/' || !isAnswer) {
      response.writeHead(404, { connection: 'close' }).end();
      return;
    }
    // A browser that loads the page twice sees the same end twice: a code is good for one use.
    work ??= options.finish(url.searchParams, redirectUri);
    work.then(
      (result) => show(response, 200, options.page(result), () => done.resolve(result)),
      (error: unknown) => {
        const text = error instanceof Error ? error.message : String(error);
        show(response, 400, { title: 'Not authorized', text }, () => done.reject(error));
      },
    );
  });

  const timer = setTimeout(() => done.reject(new Error(lateSentence(options.timeoutMs))), options.timeoutMs);
  try {
    redirectUri = await listen(server);
    await options.onListening(redirectUri);
    return await done.promise;
  } finally {
    clearTimeout(timer);
    server.close();
    server.closeAllConnections();
  }
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The process may end at once after `then`: the page must be on its way. */
function show(response: ServerResponse, status: number, page: Page, then: () => void): void {
  response.once('close', then);
  response
    .writeHead(status, {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
      // The address of this page holds the code.
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

function lateSentence(timeoutMs: number): string {
  const minutes = Math.round(timeoutMs / 60_000);
  return (
    `No answer came from the browser within ${minutes} ${minutes === 1 ? 'minute' : 'minutes'}. ` +
    'Run `npm run authorize` again and open its URL in a browser on this machine.'
  );
}
