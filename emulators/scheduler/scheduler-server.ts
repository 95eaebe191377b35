/**
 * HTTP server of the emulated scheduler on a loopback port, with a timer that fires due jobs.
 *
 * Google's Node client (`fallback: true`) and gcloud (`CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDSCHEDULER`) work with it
 * unchanged. Credentials are not checked, but requests of web pages are rejected.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isJson, rejectionOf } from '../loopback-requests.ts';
import { ApiError } from './api-error.ts';
import type { EmulatedScheduler } from './emulated-scheduler.ts';
import { handleRequest } from './rest-routes.ts';

/** Well above Google's limit of 100 KB per job. */
const MAX_BODY_BYTES = 1_000_000;
/** Jobs run at most half a second late, which is more precise than Google guarantees. */
const TICK_MS = 500;

export interface RunningEmulator {
  /** `127.0.0.1:PORT`, in the format of Google's `..._EMULATOR_HOST` variables. */
  host: string;
  port: number;
  /** Stops the timer, aborts attempts in flight and frees the port. */
  close(): Promise<void>;
}

export interface EmulatorServerOptions {
  /** Default: 0, any free port. */
  port?: number;
  /** Interval between ticks; 0 disables the timer, and the caller calls `tick`. */
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
  if (!isJson(request.headers)) throw new ApiError('INVALID_ARGUMENT', 'Send application/json.');
  try {
    const body: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    if (typeof body === 'object' && body !== null && !Array.isArray(body)) return { ...body };
  } catch {
    // Falls through to the error for everything that is not a JSON object.
  }
  throw new ApiError('INVALID_ARGUMENT', 'Invalid JSON payload received.');
}

function sendJson(response: ServerResponse, code: number, body: object): void {
  response.writeHead(code, { 'Content-Type': 'application/json; charset=UTF-8' });
  response.end(JSON.stringify(body));
}

async function serve(
  scheduler: EmulatedScheduler,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const rejection = rejectionOf(request.headers);
    if (rejection !== null) throw new ApiError('PERMISSION_DENIED', rejection);
    const url = new URL(request.url ?? '/', 'http://127.0.0.1');
    const body = await readBody(request);
    sendJson(response, 200, handleRequest(scheduler, { method: request.method ?? 'GET', url, body }));
  } catch (error) {
    const apiError =
      error instanceof ApiError ? error : new ApiError('INTERNAL', `Internal error: ${String(error)}`);
    sendJson(response, apiError.code, apiError.toBody());
  }
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}

/**
 * Serves `scheduler` on loopback.
 * @throws {Error} EADDRINUSE when the port is taken
 */
export async function startEmulatedScheduler(
  scheduler: EmulatedScheduler,
  { port = 0, tickMs = TICK_MS }: EmulatorServerOptions = {},
): Promise<RunningEmulator> {
  const server = createServer((request, response) => void serve(scheduler, request, response));
  const boundPort = await listen(server, port);
  // A tick cannot reject: failed deliveries are reported in the status of the job.
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
