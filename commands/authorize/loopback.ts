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
  /** 0: any that is free. */
  readonly port: number;
  /** Told where the browser is expected: `http://127.0.0.1:PORT`. */
  readonly onListening: (redirectUri: string) => void | Promise<void>;
  /** Deals with the answer while the browser waits. What it throws is shown there, too. */
  readonly finish: (answer: URLSearchParams, redirectUri: string) => Promise<T>;
  /** What the browser shows when `finish` succeeded. */
  readonly page: (result: T) => Page;
  /** Another way for the answer, when no browser reaches this machine. Gives back how to stop it. */
  readonly otherWay?: (take: (answer: URLSearchParams) => void) => () => void;
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
  // A browser that loads the page twice sees the same end twice: a code is good for one use.
  const take = (answer: URLSearchParams): Promise<T> => {
    work ??= options.finish(answer, redirectUri);
    return work;
  };

  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://127.0.0.1');
    const isAnswer = ['code', 'error', 'state'].some((name) => url.searchParams.has(name));
    if (request.method !== 'GET' || url.pathname !== '/' || !isAnswer) {
      response.writeHead(404, { connection: 'close' }).end();
      return;
    }
    take(url.searchParams).then(
      (result) => show(response, 200, options.page(result), () => done.resolve(result)),
      (error: unknown) => {
        const text = error instanceof Error ? error.message : String(error);
        show(response, 400, { title: 'Not authorized', text }, () => done.reject(error));
      },
    );
  });

  const timer = setTimeout(() => done.reject(new Error(lateSentence(options.timeoutMs))), options.timeoutMs);
  let leave: (() => void) | undefined;
  try {
    redirectUri = await listen(server, options.port);
    await options.onListening(redirectUri);
    if (options.otherWay !== undefined)
      leave = options.otherWay((answer) => void take(answer).then(done.resolve, done.reject));
    return await done.promise;
  } finally {
    leave?.();
    clearTimeout(timer);
    server.close();
    server.closeAllConnections();
  }
}

async function listen(server: Server, port: number): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new Error(cannotListen(port, error), { cause: error })));
    server.listen(port, '127.0.0.1', resolve);
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

function cannotListen(port: number, error: NodeJS.ErrnoException): string {
  if (error.code === 'EADDRINUSE')
    return `Port ${port} of this machine is taken. Name another by --port, or leave it out: then one that is free is found.`;
  const reason = `Port ${port} of this machine cannot be listened on (${error.code ?? error.name}).`;
  return `${reason} Name one above 1023 by --port, or leave it out.`;
}

function lateSentence(timeoutMs: number): string {
  const minutes = Math.round(timeoutMs / 60_000);
  return (
    `No answer came from the browser within ${minutes} ${minutes === 1 ? 'minute' : 'minutes'}. ` +
    'Run `npm run authorize` again and open its URL in a browser on this machine, or paste here the address that the ' +
    "browser ends at. When Google's page shows an error (deleted_client, invalid_client), it sends nobody back: the " +
    'OAuth client is gone or another one. Make one of the type "Desktop app" in the Cloud console, under ' +
    'APIs & Services > Credentials, and name its file by --client-secret.'
  );
}
