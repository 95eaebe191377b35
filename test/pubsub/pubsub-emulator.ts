/**
 * Google's own Pub/Sub emulator, where the machine has it: a Java program of the gcloud SDK, up in some three seconds.
 * Real push, redelivery and dead letters; no OIDC token, and no wait shorter than a second between deliveries.
 * https://cloud.google.com/pubsub/docs/emulator
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, realpathSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { freePort } from '../../local/ports.ts';

const PROGRAM = 'cloud-pubsub-emulator';

export interface PubSubEmulator {
  /** For `PUBSUB_EMULATOR_HOST`. */
  readonly host: string;
  kill(): Promise<void>;
}

/** The program: on PATH, or in the SDK that the `gcloud` on PATH belongs to; null when it cannot run here. */
export function findPubSubEmulator(): string | null {
  const java = process.env['JAVA_HOME'] ? join(process.env['JAVA_HOME'], 'bin/java') : onPath('java');
  if (java === null || !existsSync(java)) return null;
  const direct = onPath(PROGRAM);
  if (direct !== null) return direct;
  const gcloud = onPath('gcloud');
  if (gcloud === null) return null;
  // <SDK>/bin/gcloud, behind any links. Asking gcloud itself takes over a second.
  const inSdk = join(dirname(dirname(realpathSync(gcloud))), 'platform/pubsub-emulator/bin', PROGRAM);
  return existsSync(inSdk) ? inSdk : null;
}

export async function startPubSubEmulator(program: string): Promise<PubSubEmulator> {
  const port = await freePort();
  const child = spawn(program, ['--host=127.0.0.1', `--port=${port}`], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own: the program is a script around Java.
    detached: true,
  });
  const said: string[] = [];
  await new Promise<void>((resolve, reject) => {
    for (const input of [child.stdout, child.stderr]) {
      createInterface({ input }).on('line', (line) => {
        said.push(line);
        if (line.includes('Server started')) resolve();
      });
    }
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`The Pub/Sub emulator did not start:\n${said.join('\n')}`)));
  });
  return {
    host: `127.0.0.1:${port}`,
    kill: async () => {
      if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
      const exited = once(child, 'exit');
      process.kill(-child.pid, 'SIGKILL');
      await exited;
    },
  };
}

function onPath(name: string): string | null {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path)) ?? null;
}
