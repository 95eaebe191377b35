/**
 * Registers functions with the framework and checks the configuration. With a fault in it the process says all of
 * them and ends; it never serves half configured.
 */
import { pipeline } from 'node:stream/promises';
import { http, type Request, type Response } from '@google-cloud/functions-framework';
import { ConfigError } from '../../shared/config.ts';
import { type AppContext, createAppContext } from '../../shared/control/app-context.ts';
import { toAppError } from '../../shared/errors.ts';
import type { HttpAnswer } from '../../shared/http.ts';
import type { Log } from '../../shared/log.ts';
import { createLazyFunction, type Load } from './lazy-function.ts';
import { redactBodyErrors } from './redact-body-errors.ts';
import type { Target } from './targets.ts';

/** @returns what the functions share */
export async function serve(functions: Readonly<Partial<Record<Target, Load>>>): Promise<AppContext> {
  const context = contextOrExit();
  redactBodyErrors(context.log);
  for (const [target, load] of Object.entries(functions)) {
    const loaded = createLazyFunction(load, context);
    http(target, async (request: Request, response: Response) => {
      await send(await loaded.handle(request), { request, response, log: context.log });
    });
    // In the cloud the target is known: what it needs is loaded before the first request comes.
    if (process.env['FUNCTION_TARGET'] === target) {
      // Migrate works on a connection of its own.
      if (target !== 'migrate') connectAhead(context);
      await loaded.load();
    }
  }
  return context;
}

/**
 * An instance starts because somebody waits for it: the database is reached while the rest is loaded, which takes 10 ms
 * off the first answer beside a database next door, and more where a token has to be fetched first. A failure here is
 * nobody's: the request meets it again, and tells it.
 */
function connectAhead({ db }: AppContext): void {
  db.query('select 1').catch(() => undefined);
}

async function send(
  { body, headers, status }: HttpAnswer,
  { request, response, log }: { request: Request; response: Response; log: Log },
): Promise<void> {
  response.status(status).set(headers);
  if (body === null) response.end();
  else if (typeof body === 'string' || Buffer.isBuffer(body)) response.send(body);
  else if (request.method === 'HEAD') {
    body.destroy();
    response.end();
  } else {
    // The status is sent by now: a download that breaks off is told by the missing end alone.
    await pipeline(body, response).catch((fault: unknown) =>
      log.write('WARNING', 'download_broken', 'A download broke off', {
        detail: toAppError(fault).message,
      }),
    );
  }
}

function contextOrExit(): AppContext {
  try {
    return createAppContext(process.env, (line) => process.stdout.write(`${line}\n`));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\nSee .env.example for every variable with its meaning.\n`);
    process.exit(1);
  }
}
