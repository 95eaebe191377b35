/** Serves the functions through the functions framework, in this process, on loopback only. */
import type { Server } from 'node:http';
import type { Target } from '../functions/runtime/targets.ts';
import type { Environment } from '../shared/config.ts';
import type { LocalPorts } from './ports.ts';

export interface LocalFunctions {
  stop(): Promise<void>;
}

/** May be called once in a process: the functions read the environment when they are loaded. */
export async function serveFunctions(env: Environment, ports: LocalPorts): Promise<LocalFunctions> {
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

/** Answers in flight are waited for: a run closes its books and gives the lease back. */
async function close(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
}
