/**
 * Refuses compressed request bodies. The functions framework would inflate them, 0.5 MB to 500 MB, before it calls the function.
 * Gmail, Pub/Sub, Cloud Scheduler and the console send no compressed body.
 *
 * The framework has no option for this. Its body parser rejects an encoding that it does not know before it reads the body, so
 * every encoding is replaced by an unknown one, on the channel on which Node reports a request before it emits it.
 */
import { subscribe } from 'node:diagnostics_channel';
import type { IncomingMessage } from 'node:http';

/** Call once per process, before the server starts. */
export function refuseCompressedBodies(): void {
  subscribe('http.server.request.start', (message) => {
    const { headers } = (message as { readonly request: IncomingMessage }).request;
    const encoding = headers['content-encoding'];
    if (encoding !== undefined && encoding.toLowerCase() !== 'identity')
      headers['content-encoding'] = 'refused';
  });
}
