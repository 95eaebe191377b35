/**
 * Google's own Pub/Sub emulator, if it is installed: a Java program of the gcloud SDK. It has real push, redelivery and
 * dead letters, but sends no OIDC token and waits at least a second between deliveries.
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

/** Finds the program on PATH, or in the SDK of the `gcloud` on PATH. @returns null when it cannot run here */
export function findPubSubEmulator(): string | null {
  const java = process.env['JAVA_HOME'] ? join(process.env['JAVA_HOME'], 'bin/java') : onPath('java');
  if (java === null || !existsSync(java)) return null;
  const direct = onPath(PROGRAM);
  if (direct !== null) return direct;
  const gcloud = onPath('gcloud');
  if (gcloud === null) return null;
  // Resolves links to <SDK>/bin/gcloud. Running gcloud to get the path would take over a second.
  const inSdk = join(dirname(dirname(realpathSync(gcloud))), 'platform/pubsub-emulator/bin', PROGRAM);
  return existsSync(inSdk) ? inSdk : null;
}

export async function startPubSubEmulator(program: string): Promise<PubSubEmulator> {
  const port = await freePort();
  const child = spawn(program, ['--host=127.0.0.1', `--port=${port}`], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // In its own process group, because the program is a script that starts Java.
    detached: true,
  });
  const output: string[] = [];
  await new Promise<void>((resolve, reject) => {
    for (const input of [child.stdout, child.stderr]) {
      createInterface({ input }).on('line', (line) => {
        output.push(line);
        if (line.includes('Server started')) resolve();
      });
    }
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`The Pub/Sub emulator did not start:\n${output.join('\n')}`)));
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
