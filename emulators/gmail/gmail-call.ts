// One Gmail call from request to answer: who asks, whether the quota lets it in, which fault strikes, what
// the method says; and its line in the call log.

import { type Answer, htmlAnswer } from './answer.ts';
import type { Call } from './call-log.ts';
import type { EmulatedGmail } from './emulated-gmail.ts';
import type { FaultKind } from './faults.ts';
import { gmailMethods } from './gmail-methods.ts';
import { delegationDenied, GoogleError, insufficientScope, invalidArgument } from './google-error.ts';
import { bodyText, type Exchange, writeAnswer } from './http-exchange.ts';
import { type GmailMethod, priceUnits } from './quota.ts';
import { errorAnswer, strikeFault } from './struck-call.ts';
import { pause } from './timers.ts';

interface Target {
  route: (typeof gmailMethods)[number];
  userId: string;
  ids: string[];
}

export async function answerGmailCall(gmail: EmulatedGmail, exchange: Exchange): Promise<void> {
  const atMs = gmail.clock();
  const target = findTarget(exchange);
  if (target === null || 'status' in target) {
    const status = target?.status ?? 404;
    gmail.callLog.add({ atMs, method: 'unknown', units: 0, status });
    return writeAnswer(exchange, htmlAnswer(status, `<!DOCTYPE html><title>Error ${status}</title>\n`));
  }
  const call: Call = { atMs, method: target.route.method, units: 0, status: 0 };
  const messageId = target.route.method.startsWith('messages.') ? target.ids[0] : undefined;
  if (messageId !== undefined) call.messageId = messageId;
  const note = (status: number) => {
    call.status = status;
    gmail.callLog.add(call);
  };
  try {
    const body = await readBody(exchange);
    authorize(gmail, exchange, target);
    const fault = gmail.faults.strike(call.method, messageId);
    if (fault !== null) call.fault = fault.kind;
    await admitted(gmail, target.route.method, fault, async (units, leave) => {
      call.units = units;
      await pause(gmail.timers, gmail.latencyMs);
      const request = { ids: target.ids, query: exchange.url.searchParams, body };
      const answer = () => answered(() => target.route.answer(gmail, request));
      await strikeFault(gmail, exchange, fault, answer, 'gmail', (status) => {
        // Whoever has the answer finds the place free; a call without one holds it to its end.
        if (status !== 0) leave();
        note(status);
      });
    });
  } catch (error) {
    if (!(error instanceof GoogleError)) throw error;
    note(error.code);
    await writeAnswer(exchange, errorAnswer(error));
  }
}

/** The method that is meant; a status when only the verb is wrong; null when there is no such path. */
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

/** A path segment; one with a broken escape stays as it is, and names nothing. */
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
    // Answered below like any other body that is no object.
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

/** Statuses with which Gmail turns a call away at the door: it costs nothing and takes no place. */
const refusals = new Set([401, 403, 429]);

async function admitted(
  gmail: EmulatedGmail,
  method: GmailMethod,
  fault: FaultKind | null,
  run: (units: number, leave: () => void) => Promise<void>,
): Promise<void> {
  if (fault?.kind === 'status' && refusals.has(fault.status)) return run(0, () => undefined);
  const leave = once(gmail.quota.admit(method));
  try {
    await run(priceUnits[method], leave);
  } finally {
    leave();
  }
}

function once(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) work();
    isDone = true;
  };
}

function answered(answer: () => Answer): Answer {
  try {
    return answer();
  } catch (error) {
    if (error instanceof GoogleError) return errorAnswer(error);
    throw error;
  }
}
