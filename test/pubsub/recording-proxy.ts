/** A proxy in front of a function that forwards every push unchanged, and records the response to each message. */
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Delivery {
  readonly messageId: string;
  readonly body: string;
  readonly status: number;
}

export interface RecordingProxy {
  readonly url: string;
  readonly deliveries: readonly Delivery[];
  /** The response statuses for the pushes of one message, in order. */
  statusesOf(messageId: string): number[];
  close(): Promise<void>;
}

export async function startRecordingProxy(functionUrl: string): Promise<RecordingProxy> {
  const deliveries: Delivery[] = [];
  const server = createServer((request, response) => {
    void forward(request, functionUrl).then(
      (delivery) => {
        deliveries.push(delivery);
        response.writeHead(delivery.status).end();
      },
      () => response.destroy(),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    deliveries,
    statusesOf: (messageId) =>
      deliveries.filter((delivery) => delivery.messageId === messageId).map((delivery) => delivery.status),
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function forward(request: IncomingMessage, functionUrl: string): Promise<Delivery> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks).toString();
  const { status } = await fetch(new URL(request.url ?? '/', functionUrl), {
    method: 'POST',
    headers: { 'content-type': request.headers['content-type'] ?? '' },
    body,
  });
  const { message } = JSON.parse(body) as { message: { messageId: string } };
  return { messageId: message.messageId, body, status };
}
