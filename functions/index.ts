/**
 * The source that the functions framework loads: registers every target and checks the configuration. With a
 * fault in it the process says all of them and ends; it never serves half configured.
 */
import { http, type Request, type Response } from '@google-cloud/functions-framework';
import { ConfigError } from '../shared/config.ts';
import { createFunction, TARGETS, type Target } from './catalogue.ts';
import { createContext, type FunctionContext } from './context.ts';

/** For who serves several targets in one process and ends it in order. */
export const context = contextOrExit();

for (const target of TARGETS) {
  const loaded = createFunction(target, context);
  http(target, async (request: Request, response: Response) => {
    const answer = await loaded.handle(request);
    response.status(answer.status).set(answer.headers);
    if (answer.body === null) response.end();
    else response.send(answer.body);
  });
  // In the cloud the target is known: what it needs is loaded before the first request comes.
  if (process.env['FUNCTION_TARGET'] === (target satisfies Target)) await loaded.load();
}

function contextOrExit(): FunctionContext {
  try {
    return createContext(process.env, (line) => process.stdout.write(`${line}\n`));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\nSee .env.example for every variable with its meaning.\n`);
    process.exit(1);
  }
}
