/**
 * Registers functions with the functions framework, after validating the configuration. If the configuration has errors,
 * the process prints all of them and exits.
 */
import { pipeline } from 'node:stream/promises';
import { http, type Request, type Response } from '@google-cloud/functions-framework';
import { ConfigError } from '../../shared/config.ts';
import { type AppContext, createAppContext } from '../../shared/control/app-context.ts';
import { toAppError } from '../../shared/errors.ts';
import type { HttpResponse } from '../../shared/http.ts';
import type { Log } from '../../shared/log.ts';
import { installErrorHandler } from './error-handler.ts';
import { createLazyFunction, type Load } from './lazy-function.ts';
import { MAIN, type Target } from './targets.ts';

/**
 * Registers each function under its target, and the one that APP_FUNCTION names also as `main`.
 *
 * @returns the context that the functions share
 */
export async function serve(functions: Readonly<Partial<Record<Target, Load>>>): Promise<AppContext> {
  const context = contextOrExit();
  installErrorHandler(context.log);
  const { APP_FUNCTION: app, FUNCTION_TARGET: target } = process.env;
  const served = target === MAIN ? app : target;
  for (const [name, load] of Object.entries(functions)) {
    const lazy = createLazyFunction(load, context);
    const handle = async (request: Request, response: Response) => {
      await send(await lazy.handle(request), { request, response, log: context.log });
    };
    http(name, handle);
    if (name === app) http(MAIN, handle);
    // In the cloud, an instance serves one function: load it before the first request arrives.
    if (name === served) {
      // `migrate` opens its own connection.
      if (name !== 'migrate') connectEarly(context);
      await lazy.load();
    }
  }
  return context;
}

/**
 * Connects to the database while the function is loaded, because a request waits for every new instance. An error is
 * ignored: the first request hits the same error and reports it.
 */
function connectEarly({ connect }: AppContext): void {
  connect().catch(() => undefined);
}

async function send(
  { body, headers, status }: HttpResponse,
  { request, response, log }: { request: Request; response: Response; log: Log },
): Promise<void> {
  response.status(status).set(headers);
  if (body === null) response.end();
  else if (typeof body === 'string' || Buffer.isBuffer(body)) response.send(body);
  else if (request.method === 'HEAD') {
    body.destroy();
    response.end();
  } else {
    // Headers are already sent, so the truncated body is the only signal left to the client.
    await pipeline(body, response).catch((error: unknown) =>
      log.write('WARNING', 'download_broken', 'A download was interrupted', {
        detail: toAppError(error).message,
      }),
    );
  }
}

function contextOrExit(): AppContext {
  try {
    return createAppContext(process.env, (line) => process.stdout.write(`${line}\n`));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n.env.example describes every variable.\n`);
    process.exit(1);
  }
}
