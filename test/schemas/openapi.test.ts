import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createRoute as createConsole } from '../../functions/console.ts';
import { createRoute as createMigrate } from '../../functions/migrate.ts';
import { type AppContext, createAppContext } from '../../shared/control/app-context.ts';
import { AppError } from '../../shared/errors.ts';
import { problem, type Route } from '../../shared/http.ts';
import { OPERATIONS } from '../../shared/schemas/openapi.ts';
import { checkResponse } from '../helpers/check-response.ts';
import { type StatusFixture, statusFixture } from '../helpers/status-fixture.ts';

let fixture: StatusFixture;
let context: AppContext;
let route: Route;
beforeAll(async () => {
  fixture = await statusFixture();
  context = createAppContext(fixture.env, () => undefined);
  route = createConsole(context);
  await fixture.turnOn();
  const id = await fixture.mailbox();
  await fixture.messages(id, 2, {
    state: "'dead'",
    last_attempt_at: 'now()',
    error_code: "'killed_process'",
    attempt_count: '8',
  });
  await fixture.db.query(
    `insert into ingest_runs (mailbox_id, trigger, outcome, finished_at, duration_ms) values ($1, 'schedule', 'completed', now(), 9)`,
    [id],
  );
  await fixture.db.query("insert into incidents (mailbox_id, kind) values ($1, 'history_expired')", [id]);
  await fixture.db.query(
    "insert into mailbox_watches (mailbox_id, topic, registered_at) values ($1, 'projects/p/topics/t', now())",
    [id],
  );
  await fixture.db.query(
    `insert into reconciliations (mailbox_id, window_begins_at, is_full, query, evaluated_at, gmail_count, stored_count,
       pending_count, failed_count, ignored_count, gone_count, missing_count)
     values ($1, now() - interval '1 day', true, 'q', now(), 2, 0, 0, 2, 0, 0, 0)`,
    [id],
  );
});
afterAll(async () => {
  await context.db.close();
  await fixture.close();
});

const OWN_PAGE = { 'sec-fetch-site': 'same-origin' };

async function call(path: string, method = 'GET') {
  const answer = await route.handle(
    { method, path, query: {}, headers: OWN_PAGE, body: undefined },
    context.log,
  );
  return {
    status: answer.status,
    type: answer.headers['content-type'],
    json: JSON.parse(String(answer.body)),
  };
}

interface Reference {
  $ref?: string;
  anyOf?: Reference[];
}

interface Document {
  openapi: string;
  paths: Record<
    string,
    Record<string, { responses: Record<string, { content: Record<string, { schema: Reference }> }> }>
  >;
  components: { schemas: Record<string, z.core.JSONSchema.JSONSchema> };
}

async function readDocument(): Promise<Document> {
  const { json, status, type } = await call('/api/openapi.json');
  expect([status, type]).toEqual([200, 'application/json']);
  return json;
}

/** A validator made from the published schema of a response alone. */
function validatorOf(document: Document, path: string, method: string, status: '200' | 'default'): z.ZodType {
  const contents = document.paths[path]?.[method]?.responses[status]?.content ?? {};
  const { $ref, anyOf = [{ $ref: $ref ?? '' }] } = Object.values(contents)[0]?.schema ?? {};
  const validators = anyOf.map((one) => {
    const schema = document.components.schemas[(one.$ref ?? '').replace('#/components/schemas/', '')];
    if (schema === undefined) throw new Error(`${method} ${path} has no schema.`);
    return z.fromJSONSchema(schema);
  });
  return z.union(validators);
}

describe('/api/openapi.json', () => {
  it('describes status, start, stop and poll-now in an OpenAPI 3.1 document', async () => {
    const { openapi, paths } = await readDocument();
    expect(openapi).toMatch(/^3\.1\./);
    for (const [verb, method] of [
      ['status', 'get'],
      ['start', 'post'],
      ['stop', 'post'],
      ['poll-now', 'post'],
    ] as const) {
      expect(Object.keys(paths[`/api/system/email-monitor/${verb}`] ?? {}), verb).toEqual([method]);
    }
  });

  it('publishes schemas that accept real responses of status, start and stop, and reject an invalid one', async () => {
    const document = await readDocument();
    for (const [verb, method] of [
      ['status', 'get'],
      ['start', 'post'],
      ['stop', 'post'],
    ] as const) {
      const path = `/api/system/email-monitor/${verb}`;
      const { json, status } = await call(path, method.toUpperCase());
      expect(status).toBe(200);
      const validator = validatorOf(document, path, method, '200');
      expect(validator.safeParse(json).error?.issues ?? [], path).toEqual([]);
      expect(validator.safeParse({ ...json, state: 'fine' }).success).toBe(false);
    }
  });

  it('publishes schemas that accept the responses of a successful and of a failed run', async () => {
    const document = await readDocument();
    const members = {
      outcome: 'completed',
      new_emails: 1,
      discovered: 1,
      gone: 0,
      ignored: 0,
      failed: 0,
      dead: 0,
      quota_units: 7,
    };
    const path = '/api/system/email-monitor/poll-now';
    expect(validatorOf(document, path, 'post', '200').safeParse(members).success).toBe(true);
    const failed = problem(new AppError('gmail_unavailable', 'Away.'), {}, { ...members, outcome: 'failed' });
    expect(
      validatorOf(document, path, 'post', 'default').safeParse(JSON.parse(String(failed.body))).success,
    ).toBe(true);
  });

  it('publishes a schema of poll-now that accepts a rejected request, of which no run begins', async () => {
    const validator = validatorOf(
      await readDocument(),
      '/api/system/email-monitor/poll-now',
      'post',
      'default',
    );
    const rejected = problem(new AppError('bad_request', 'The only value of "retry" is "dead".'));
    expect(validator.safeParse(JSON.parse(String(rejected.body))).error?.issues ?? []).toEqual([]);
  });

  it('publishes a schema that accepts a problem', async () => {
    const document = await readDocument();
    const { json, status, type } = await call('/api/console/emails/999');
    expect([status, type]).toEqual([404, 'application/problem+json']);
    const validator = validatorOf(document, '/api/console/emails/{id}', 'get', 'default');
    expect(validator.safeParse(json).success).toBe(true);
  });
});

it.each(
  OPERATIONS.filter(({ method, path }) => method === 'get' && !path.includes('{')).map(({ path }) => path),
)('%s returns exactly the members of its schema', async (path) => {
  const answer = await call(path);
  expect(answer.status).toBe(200);
  checkResponse({ target: 'console', path }, answer);
});

it('migrate returns exactly the members of its schema', async () => {
  const answer = await createMigrate(context).handle(
    { method: 'POST', path: '/', query: {}, headers: {}, body: undefined },
    context.log,
  );
  checkResponse({ target: 'migrate' }, { status: answer.status, json: JSON.parse(String(answer.body)) });
});
