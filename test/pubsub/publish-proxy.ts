/** A proxy in front of the Pub/Sub emulator that can lose or hold requests to publish. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Treatment =
  | 'forward'
  /** The connection breaks before the emulator gets the request. */
  | 'lose_request'
  /** The emulator publishes the messages, and the connection breaks before the response. */
  | 'lose_response'
  /** Neither forwarded nor answered. */
  | 'hold';

export interface PublishProxy {
  /** For `PUBSUB_EMULATOR_HOST`. */
  readonly host: string;
  /** How the request with this number is treated, counted from 1. Replaceable at any time. */
  treatment: (requestNumber: number) => Treatment;
  readonly requestCount: number;
  /** The bodies of all requests. */
  readonly bodies: readonly string[];
  close(): Promise<void>;
}

export async function startPublishProxy(emulatorHost: string): Promise<PublishProxy> {
  const bodies: string[] = [];
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString();
    bodies.push(body);
    const treatment = proxy.treatment(bodies.length);
    if (treatment === 'hold') return;
    if (treatment === 'lose_request') return void response.destroy();
    const answer = await fetch(`http://${emulatorHost}${request.url}`, {
      method: request.method ?? 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    const text = await answer.text();
    if (treatment === 'lose_response') response.destroy();
    else response.writeHead(answer.status, { 'content-type': 'application/json' }).end(text);
  };
  const server = createServer((request, response) => {
    void handle(request, response).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy: PublishProxy = {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    treatment: () => 'forward',
    get requestCount() {
      return bodies.length;
    },
    bodies,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return proxy;
}
