/** Serves the functions through the functions framework, in this process, on loopback only. */
import type { IncomingHttpHeaders, RequestListener, Server, ServerResponse } from 'node:http';
import { hasLoopbackHost, rejectionOf } from '../emulators/loopback-requests.ts';
import type { Target } from '../functions/runtime/targets.ts';
import { type Environment, readConfig } from '../shared/config.ts';
import { AppError } from '../shared/errors.ts';
import { problem } from '../shared/http.ts';
import type { LocalPorts } from './ports.ts';

export interface LocalFunctions {
  stop(): Promise<void>;
}

/**
 * May be called once per process: the functions read `process.env` when they are loaded.
 *
 * @throws {ConfigError} for an invalid environment. The functions themselves would end the process, and leave PostgreSQL
 *   running.
 */
export async function serveFunctions(env: Environment, ports: LocalPorts): Promise<LocalFunctions> {
  readConfig(env);
  for (const [name, value] of Object.entries(env)) if (value !== undefined) process.env[name] = value;
  const { context } = await import('../functions/index.ts');
  const { getTestServer } = await import('@google-cloud/functions-framework/testing');
  const listen = async (target: Target, port: number): Promise<Server> => {
    const server = getTestServer(target);
    guard(server, target);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    return server;
  };
  const servers = [
    await listen('console', ports.console),
    await listen('poll', ports.poll),
    await listen('gmailPush', ports.gmailPush),
    await listen('ingestMailbox', ports.ingestMailbox),
  ];
  return {
    stop: async () => {
      await Promise.all(servers.map(close));
      await context.db.close();
    },
  };
}

/** Puts the check before the Express app of the framework, which has no option for it. */
function guard(server: Server, target: Target): void {
  const [app] = server.listeners('request') as [RequestListener & { use(handler: unknown): void }];
  const guarded: RequestListener = (request, response) => {
    const rejection = rejectionOfFunction(target, request.headers);
    if (rejection === null) app(request, response);
    else reject(response, rejection);
  };
  server.removeAllListeners('request');
  // `installErrorHandler` adds its handler to the listener that has `use`.
  server.on('request', Object.assign(guarded, { use: app.use.bind(app) }));
}

/**
 * The cloud authenticates callers, this machine does not. Programs alone call poll, gmailPush and ingestMailbox. The console has a page, and
 * checks where a request comes from; here it is served at loopback names only, against DNS rebinding.
 *
 * @returns why the request is rejected; null when it is allowed
 */
function rejectionOfFunction(target: Target, headers: IncomingHttpHeaders): string | null {
  if (target === 'console')
    return hasLoopbackHost(headers) ? null : 'The local console is served at 127.0.0.1 and localhost only.';
  return rejectionOf(headers);
}

function reject(response: ServerResponse, detail: string): void {
  const { body, headers, status } = problem(new AppError('cross_site', detail));
  response.writeHead(status, headers).end(body);
}

/** Waits for requests in flight, so that a run records its result and releases the lease. */
async function close(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
}
