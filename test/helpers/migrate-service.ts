/** Replaces the deployed service `migrate`: Cloud Run's check of the identity token, and an answer that the test gives. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { HttpResponse } from '../../shared/http.ts';
import { idTokenFor } from './metadata-server.ts';

export type MigrateAnswerer = () => Promise<Pick<HttpResponse, 'status' | 'headers' | 'body'>>;

export interface MigrateService {
  /** For MIGRATE_URL. */
  readonly url: string;
  /** Requests with a valid token. */
  callCount: number;
  /** Replaces the answer to the next requests. */
  answer: MigrateAnswerer;
  close(): void;
}

export async function startMigrateService(answer: MigrateAnswerer): Promise<MigrateService> {
  const server = createServer((request, response) => {
    const isInvoker = request.headers.authorization === `Bearer ${idTokenFor(service.url)}`;
    if (!isInvoker || request.method !== 'POST') {
      response.writeHead(isInvoker ? 405 : 401).end();
      return;
    }
    service.callCount += 1;
    void service.answer().then(({ body, headers, status }) => {
      response.writeHead(status, headers).end(body);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const service: MigrateService = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    callCount: 0,
    answer,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
  return service;
}
