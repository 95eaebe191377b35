/**
 * The emulated scheduler behind a loopback port, with a timer as its heartbeat.
 *
 * Google's Node client (`fallback: true`) and gcloud (`CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDSCHEDULER`)
 * talk to it unchanged. Credentials are neither asked for nor looked at.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ApiError } from './api-error.ts';
import type { EmulatedScheduler } from './emulated-scheduler.ts';
import { answer } from './routes.ts';

/** Google's limit on a job is 100 KB; anything far above is not a job. */
const MAX_BODY_BYTES = 1_000_000;
/** Jobs are due on the minute; half a second late is nearer to it than Google promises. */
const TICK_MS = 500;

export interface RunningEmulator {
  /** `127.0.0.1:PORT`, the value for CLOUD_SCHEDULER_EMULATOR_HOST. */
  host: string;
  port: number;
  /** Stops the timer, cuts off attempts in flight and frees the port. */
  close(): Promise<void>;
}

export interface EmulatorServerOptions {
  /** 0 or absent: any free port. */
  port?: number;
  /** Wait between two looks at what is due; 0: the caller ticks. */
  tickMs?: number;
}

async function readBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw new ApiError('INVALID_ARGUMENT', 'Request payload is too large.');
    chunks.push(chunk);
  }
  if (bytes === 0) return {};
  try {
    const body: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    if (typeof body === 'object' && body !== null && !Array.isArray(body)) return { ...body };
  } catch {
    // Falls through to the one answer for everything that is no JSON object.
  }
  throw new ApiError('INVALID_ARGUMENT', 'Invalid JSON payload received.');
}

function reply(response: ServerResponse, code: number, body: object): void {
  response.writeHead(code, { 'Content-Type': 'application/json; charset=UTF-8' });
  response.end(JSON.stringify(body));
}

async function serve(
  scheduler: EmulatedScheduler,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const url = new URL(request.url ?? '/', 'http://127.0.0.1');
    const body = await readBody(request);
    reply(response, 200, answer(scheduler, { method: request.method ?? 'GET', url, body }));
  } catch (error) {
    const fault =
      error instanceof ApiError ? error : new ApiError('INTERNAL', `Internal error: ${String(error)}`);
    reply(response, fault.code, fault.toBody());
  }
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}

/** @throws {Error} EADDRINUSE when the port is taken */
export async function startEmulatedScheduler(
  scheduler: EmulatedScheduler,
  { port = 0, tickMs = TICK_MS }: EmulatorServerOptions = {},
): Promise<RunningEmulator> {
  const server = createServer((request, response) => void serve(scheduler, request, response));
  const boundPort = await listen(server, port);
  // Deliveries report their faults in the job's status, so a tick has nothing to reject with.
  const timer = tickMs > 0 ? setInterval(() => void scheduler.tick(), tickMs) : undefined;
  return {
    host: `127.0.0.1:${boundPort}`,
    port: boundPort,
    async close() {
      clearInterval(timer);
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await Promise.all([closed, scheduler.close()]);
    },
  };
}
