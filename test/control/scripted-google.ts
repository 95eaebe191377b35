/** A Cloud Scheduler with scripted answers, one per call, for errors that no emulator injects. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** `hang`: it never answers. `cut`: the connection breaks. */
export type Answer = 'hang' | 'cut' | { status: number; body: object | string };

export interface ScriptedGoogle {
  host: string;
  /** Method and path of each call so far, without the query. */
  calls: string[];
  close(): void;
}

export function errorAnswer(status: number, name: string): Answer {
  return { status, body: { error: { code: status, status: name, message: `scripted ${name}` } } };
}

export function job(state: string | number): Answer {
  return { status: 200, body: { name: 'projects/demo/locations/us-central1/jobs/poll', state } };
}

/** The last answer repeats. */
export async function scriptedGoogle(...answers: Answer[]): Promise<ScriptedGoogle> {
  const calls: string[] = [];
  const server = createServer((request, response) => {
    calls.push(`${request.method} ${request.url?.split('?')[0]?.split('/').at(-1)}`);
    const answer = answers[Math.min(calls.length, answers.length) - 1] ?? 'cut';
    if (answer === 'hang') return;
    if (answer === 'cut') {
      request.socket.destroy();
      return;
    }
    response.writeHead(answer.status, { 'Content-Type': 'application/json' });
    response.end(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
