// One Gmail API call from request to response: authorization, injected fault, quota, the method itself, and the entry
// in the call log.

import { applyFault, errorResponse } from './apply-fault.ts';
import type { Call } from './call-log.ts';
import { type GmailMethod, unitsPerCall } from './emulated-quota.ts';
import type { FaultKind } from './fault-rules.ts';
import { gmailMethods } from './gmail-methods.ts';
import type { EmulatedGmail } from './gmail-service.ts';
import { delegationDenied, GoogleError, insufficientScope, invalidArgument } from './google-error.ts';
import { bodyText, type Exchange, writeResponse } from './http-exchange.ts';
import { type HttpResponse, htmlResponse } from './http-response.ts';
import { pause } from './timers.ts';

interface Target {
  route: (typeof gmailMethods)[number];
  userId: string;
  ids: string[];
}

export async function handleGmailCall(gmail: EmulatedGmail, exchange: Exchange): Promise<void> {
  const atMs = gmail.clock();
  const target = findTarget(exchange);
  if (target === null || 'status' in target) {
    const status = target?.status ?? 404;
    gmail.callLog.add({ atMs, method: 'unknown', units: 0, status });
    return writeResponse(exchange, htmlResponse(status, `<!DOCTYPE html><title>Error ${status}</title>\n`));
  }
  const call: Call = { atMs, method: target.route.method, units: 0, status: 0 };
  const messageId = target.route.method.startsWith('messages.') ? target.ids[0] : undefined;
  if (messageId !== undefined) call.messageId = messageId;
  const log = (status: number) => {
    call.status = status;
    gmail.callLog.add(call);
  };
  try {
    const body = await readBody(exchange);
    authorize(gmail, exchange, target);
    const injected = gmail.faults.take(call.method, messageId);
    if (injected !== null) call.fault = injected.kind;
    await withQuota(gmail, target.route.method, injected, async (units, release) => {
      call.units = units;
      await pause(gmail.timers, gmail.latencyMs);
      const request = { ids: target.ids, query: exchange.url.searchParams, body };
      const respond = () => respondOrError(() => target.route.respond(gmail, request));
      await applyFault(gmail, exchange, injected, respond, 'gmail', (status) => {
        // Release the slot before the response is sent, so a client that has the response finds it free. A call
        // without a response keeps its slot until it ends.
        if (status !== 0) release();
        log(status);
      });
    });
  } catch (error) {
    if (!(error instanceof GoogleError)) throw error;
    log(error.code);
    await writeResponse(exchange, errorResponse(error));
  }
}

/** The requested method; 405 when only the HTTP method is wrong; null for an unknown path. */
function findTarget(exchange: Exchange): Target | { status: number } | null {
  const [userId = '', ...rest] = exchange.url.pathname.slice('/gmail/v1/users/'.length).split('/');
  const path = rest.join('/');
  let isKnownPath = false;
  for (const route of gmailMethods) {
    const match = route.path.exec(path);
    if (match === null) continue;
    isKnownPath = true;
    if (route.httpMethod !== exchange.request.method) continue;
    return { route, userId: decoded(userId), ids: match.slice(1).map(decoded) };
  }
  return isKnownPath ? { status: 405 } : null;
}

/** The decoded path segment. One with a malformed escape stays encoded, so it matches no id. */
function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

async function readBody(exchange: Exchange): Promise<Record<string, unknown>> {
  const text = await bodyText(exchange.request);
  if (text.trim() === '') return {};
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === 'object' && body !== null && !Array.isArray(body)) return { ...body };
  } catch {
    // Handled below like any other body that is not an object.
  }
  throw invalidArgument('Invalid JSON payload received.');
}

function authorize(gmail: EmulatedGmail, exchange: Exchange, target: Target): void {
  const scopes = gmail.oauth.authenticate(exchange.request.headers.authorization);
  if (target.userId !== 'me' && target.userId.toLowerCase() !== gmail.emailAddress.toLowerCase()) {
    throw delegationDenied(target.userId);
  }
  const needed = target.route.changesMail ? changingScope : anyMailScope;
  if (!scopes.some((scope) => needed.test(scope))) throw insufficientScope();
}

const changingScope = /^https:\/\/(mail\.google\.com\/|www\.googleapis\.com\/auth\/gmail\.modify)$/;
const anyMailScope =
  /^https:\/\/(mail\.google\.com\/|www\.googleapis\.com\/auth\/gmail\.(modify|readonly|metadata))$/;

/** Statuses that Gmail returns before it admits a call: the call costs no units and takes no slot. */
const rejectionStatuses = new Set([401, 403, 429]);

/** Runs the call inside the quota. `release` frees its slot and may be called more than once. */
async function withQuota(
  gmail: EmulatedGmail,
  method: GmailMethod,
  injected: FaultKind | null,
  run: (units: number, release: () => void) => Promise<void>,
): Promise<void> {
  if (injected?.kind === 'status' && rejectionStatuses.has(injected.status)) return run(0, () => undefined);
  const release = once(gmail.quota.admit(method));
  try {
    await run(unitsPerCall[method], release);
  } finally {
    release();
  }
}

function once(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) work();
    isDone = true;
  };
}

function respondOrError(respond: () => HttpResponse): HttpResponse {
  try {
    return respond();
  } catch (error) {
    if (error instanceof GoogleError) return errorResponse(error);
    throw error;
  }
}
