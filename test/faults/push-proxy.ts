/**
 * Receives Gmail's pushes and forwards them to the instances of `gmail-push`, as Cloud Run's load balancer does. Records
 * acknowledged history ids, because the hint of an acknowledged push must be durable.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { decodeNotification } from '../../shared/gmail/notification.ts';
import type { Processes } from './processes.ts';

/** Pub/Sub redelivers a push after this time. */
const ACK_DEADLINE_MS = 10_000;

export class PushProxy {
  readonly url: string;
  /** The highest acknowledged history id, by the email address in the push. */
  readonly acknowledged = new Map<string, bigint>();
  inFlight = 0;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  }

  static async open(processes: Processes): Promise<PushProxy> {
    const server = createServer((request, response) => {
      void pushProxy.#forward(processes, request).then((status) => response.writeHead(status).end());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const pushProxy = new PushProxy(server);
    return pushProxy;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #forward(processes: Processes, request: IncomingMessage): Promise<number> {
    this.inFlight += 1;
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const body = Buffer.concat(chunks);
      const instance = processes.next('gmailPush');
      if (instance === null) return 503;
      const { status } = await fetch(instance.process.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
        signal: AbortSignal.timeout(ACK_DEADLINE_MS),
      });
      if (status === 204) this.#recordAcknowledged(body);
      return status;
    } catch {
      return 502;
    } finally {
      this.inFlight -= 1;
    }
  }

  #recordAcknowledged(body: Buffer): void {
    const notification = decodeNotification(body);
    if (notification === null) return;
    const { emailAddress } = notification;
    const historyId = BigInt(notification.historyId);
    if (historyId > (this.acknowledged.get(emailAddress) ?? 0n))
      this.acknowledged.set(emailAddress, historyId);
  }
}
