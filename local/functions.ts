/** Serves the functions through the functions framework, in this process, on loopback only. */
import type { Server } from 'node:http';
import type { Target } from '../functions/runtime/targets.ts';
import { type Environment, readConfig } from '../shared/config.ts';
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
  ];
  return {
    stop: async () => {
      await Promise.all(servers.map(close));
      await context.db.close();
    },
  };
}

/** Waits for requests in flight, so that a run records its result and releases the lease. */
async function close(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
}
