// The control API: drives the emulator from another process. Loopback only, no authentication; requests of web pages are
// rejected. Requests and responses are JSON with the field names of the TypeScript interfaces; an invalid request returns
// 400 with `{error}`.
//
//   GET  /control/stats                     counters, quota, watch, switches, fault rules
//   GET  /control/messages                  the messages of the mailbox, with the SHA-256 of the raw bytes
//   GET  /control/calls                     the call log
//   POST /control/deliver                   {raw: base64, id?, threadId?, labelIds?, filterLabelIds?, internalDateMs?}
//   POST /control/save-draft                {raw: base64, previousId?}
//   POST /control/modify                    {id, add?, remove?}
//   POST /control/toggle-label              {id, label, count} adds or removes the label, `count` times in turn
//   POST /control/{trash,archive,mark-read,delete}  {id}
//   POST /control/create-label              {name}
//   POST /control/delete-label              {id}
//   POST /control/rename-account            {emailAddress}
//   POST /control/faults/add                a FaultRule (fault-rules.ts) -> {id}
//   POST /control/faults/remove             {id}
//   POST /control/faults/clear              {}
//   POST /control/switches                  switches of control-switches.ts -> the values of all switches
//   POST /control/expire-history            {floor?: "historyId"}
//   POST /control/revoke                    {} revokes refresh and access tokens
//   POST /control/reauthorize               {refreshToken}
//   POST /control/expire-access-tokens      {}
//   POST /control/expire-watch              {}
//   POST /control/reset-counters            {}

import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { isJson } from '../loopback-requests.ts';
import { readSwitches, setSwitches } from './control-switches.ts';
import type { DeliveryOptions } from './emulated-mailbox.ts';
import type { FaultRule } from './fault-rules.ts';
import type { EmulatedGmail } from './gmail-service.ts';
import { bodyText } from './http-exchange.ts';
import { type HttpResponse, jsonResponse } from './http-response.ts';

type Action = (gmail: EmulatedGmail, body: unknown) => unknown;

const reads: Readonly<Record<string, (gmail: EmulatedGmail) => unknown>> = {
  stats,
  messages,
  calls: (gmail) => ({ calls: gmail.callLog.calls }),
};

const actions: Readonly<Record<string, Action>> = {
  deliver: (gmail, body) => {
    const { raw, internalDateMs, ...rest } = deliverySchema.parse(body);
    const internalDate = internalDateMs === undefined ? {} : { internalDate: new Date(internalDateMs) };
    return gmail.deliver(
      Buffer.from(raw, 'base64'),
      withoutUndefined<DeliveryOptions>({ ...rest, ...internalDate }),
    );
  },
  'save-draft': (gmail, body) => {
    const { raw, previousId } = draftSchema.parse(body);
    return gmail.saveDraft(Buffer.from(raw, 'base64'), previousId);
  },
  modify: (gmail, body) => {
    const { id, ...labels } = modifySchema.parse(body);
    return gmail.modifyLabels(id, withoutUndefined<{ add?: string[]; remove?: string[] }>(labels));
  },
  'toggle-label': (gmail, body) => {
    const { id, label, count } = toggleSchema.parse(body);
    for (let n = 0; n < count; n += 1) {
      const isSet = gmail.mailbox.messages.get(id)?.labelIds.has(label) === true;
      gmail.modifyLabels(id, isSet ? { remove: [label] } : { add: [label] });
    }
  },
  trash: (gmail, body) => gmail.trash(idSchema.parse(body).id),
  archive: (gmail, body) => gmail.archive(idSchema.parse(body).id),
  'mark-read': (gmail, body) => gmail.markRead(idSchema.parse(body).id),
  delete: (gmail, body) => gmail.delete(idSchema.parse(body).id),
  'create-label': (gmail, body) => ({
    id: gmail.createLabel(z.object({ name: z.string() }).parse(body).name),
  }),
  'delete-label': (gmail, body) => gmail.deleteLabel(idSchema.parse(body).id),
  'rename-account': (gmail, body) =>
    gmail.renameAccount(z.object({ emailAddress: z.email() }).parse(body).emailAddress),
  'faults/add': (gmail, body) => ({
    id: gmail.faults.add(withoutUndefined<FaultRule>(faultSchema.parse(body))),
  }),
  'faults/remove': (gmail, body) => gmail.faults.remove(z.object({ id: z.number() }).parse(body).id),
  'faults/clear': (gmail) => gmail.faults.clear(),
  switches: setSwitches,
  'expire-history': (gmail, body) => {
    const { floor } = z.object({ floor: z.string().regex(/^\d+$/).optional() }).parse(body);
    gmail.expireHistory(floor === undefined ? undefined : BigInt(floor));
  },
  revoke: (gmail) => gmail.revokeRefreshToken(),
  reauthorize: (gmail, body) =>
    gmail.reauthorize(z.object({ refreshToken: z.string() }).parse(body).refreshToken),
  'expire-access-tokens': (gmail) => gmail.expireAccessTokens(),
  'expire-watch': (gmail) => gmail.expireWatch(),
  'reset-counters': (gmail) => gmail.resetCounters(),
};

const idSchema = z.object({ id: z.string() });
const labelsSchema = z.array(z.string()).optional();
const modifySchema = z.object({ id: z.string(), add: labelsSchema, remove: labelsSchema });
const toggleSchema = z.object({ id: z.string(), label: z.string(), count: z.int().positive() });
const draftSchema = z.object({ raw: z.base64().min(1), previousId: z.string().optional() });
const deliverySchema = z.object({
  raw: z.base64().min(1),
  id: z.string().optional(),
  threadId: z.string().optional(),
  labelIds: labelsSchema,
  filterLabelIds: labelsSchema,
  internalDateMs: z.number().optional(),
});

const faultSchema = z.intersection(
  z.object({
    method: z.string().optional(),
    messageId: z.string().optional(),
    times: z.int().positive().optional(),
    skip: z.int().nonnegative().optional(),
    probability: z.number().min(0).max(1).optional(),
  }),
  z.discriminatedUnion('kind', [
    z.object({
      kind: z.literal('status'),
      status: z.int().min(400).max(599),
      reason: z.string().optional(),
      message: z.string().optional(),
      retryAfterSeconds: z.number().optional(),
    }),
    z.object({ kind: z.literal('delay'), delayMs: z.number() }),
    z.object({ kind: z.enum(['reset', 'truncate', 'notJson', 'hang']) }),
  ]),
);

/** Handles a request below `/control/`. */
export async function handleControlCall(
  gmail: EmulatedGmail,
  request: IncomingMessage,
  url: URL,
): Promise<HttpResponse> {
  const name = url.pathname.slice('/control/'.length);
  try {
    if (request.method === 'GET') {
      const read = reads[name];
      return read === undefined ? unknownCall(name) : jsonResponse(200, read(gmail));
    }
    const action = actions[name];
    if (request.method !== 'POST' || action === undefined) return unknownCall(name);
    if (!isJson(request.headers)) {
      return jsonResponse(415, { error: 'Send application/json' });
    }
    const text = await bodyText(request);
    return jsonResponse(200, action(gmail, text === '' ? {} : JSON.parse(text)) ?? {});
  } catch (error) {
    return jsonResponse(400, { error: error instanceof Error ? error.message : String(error) });
  }
}

function unknownCall(name: string): HttpResponse {
  return jsonResponse(404, { error: `Unknown control call: ${name}` });
}

/** Removes the keys that zod sets to `undefined` for omitted fields (the types use `exactOptionalPropertyTypes`). */
function withoutUndefined<Target>(value: object): Target {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as Target;
}

function stats(gmail: EmulatedGmail): unknown {
  const { quota, callLog, faults, notifications, mailbox } = gmail;
  return {
    emailAddress: gmail.emailAddress,
    historyId: gmail.historyId,
    messageCount: mailbox.messages.size,
    watch: mailbox.watch,
    units: {
      spent: quota.spentUnits,
      spentByMethod: quota.spentUnitsByMethod,
      lastMinute: quota.windowUnits(),
      refusedForUnits: quota.refusedForUnits,
      refusedForConcurrency: quota.refusedForConcurrency,
      peakInFlight: quota.peakInFlight,
    },
    calls: { byMethod: callLog.countByMethod, byStatus: callLog.countByStatus },
    faults: { injected: faults.countByKind, rules: faults.list() },
    notifications: notifications.counts,
    switches: readSwitches(gmail),
  };
}

function messages(gmail: EmulatedGmail): unknown {
  return {
    messages: [...gmail.mailbox.messages.values()].map((message) => ({
      id: message.id,
      threadId: message.threadId,
      labelIds: [...message.labelIds],
      internalDateMs: message.internalDateMs,
      sizeBytes: message.raw.length,
      sha256: createHash('sha256').update(message.raw).digest('hex'),
    })),
  };
}
