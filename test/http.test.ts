import { describe, expect, it } from 'vitest';
import { AppError, type ErrorCode } from '../shared/errors.ts';
import { answer, type HttpRequest, json, noContent, problem, type Route } from '../shared/http.ts';
import { createLog } from '../shared/log.ts';

function request(more: Partial<HttpRequest> = {}): HttpRequest {
  return { method: 'POST', path: '/', query: {}, headers: {}, body: undefined, ...more };
}

async function ask(
  handle: Route['handle'],
  more: Partial<HttpRequest> = {},
  projectId: string | null = null,
) {
  const lines: Record<string, unknown>[] = [];
  const log = createLog({ level: 'debug', format: 'json', sink: (line) => lines.push(JSON.parse(line)) });
  const answered = await answer({ methods: ['POST', 'PUT'], handle }, request(more), { log, projectId });
  return { ...answered, lines, json: JSON.parse(String(answered.body ?? 'null')) };
}

describe('an answer', () => {
  it('is what the handler gives', async () => {
    expect(await ask(async () => json<{ when: Date }>(200, { when: new Date(0) }))).toMatchObject({
      status: 200,
      headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
      body: '{"when":"1970-01-01T00:00:00.000Z"}\n',
      lines: [],
    });
  });

  it('may have no body', async () => {
    expect(await ask(async () => noContent())).toMatchObject({ status: 204, body: null, headers: {} });
  });
});

describe('a method that is not there', () => {
  it('is answered with 405 and the methods that are, without asking the handler', async () => {
    const answered = await ask(
      async () => {
        throw new Error('asked');
      },
      { method: 'GET' },
    );
    expect(answered.status).toBe(405);
    expect(answered.headers).toMatchObject({
      allow: 'POST, PUT',
      'content-type': 'application/problem+json',
    });
    expect(answered.json).toMatchObject({ code: 'method_not_allowed', detail: 'GET is not possible here.' });
    expect(answered.lines).toEqual([]);
  });
});

describe('a fault', () => {
  it('is answered as problem details with its code and its remediation', async () => {
    const answered = await ask(async () => {
      throw new AppError('database_unavailable', 'PostgreSQL: ECONNREFUSED.');
    });
    expect(answered.headers).toEqual({
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
    });
    expect(answered.json).toEqual({
      type: 'about:blank',
      title: 'The database does not answer',
      status: 503,
      detail: 'PostgreSQL: ECONNREFUSED.',
      code: 'database_unavailable',
      remediation: expect.stringContaining('DATABASE_URL'),
    });
    expect(answered.status).toBe(503);
  });

  it.each<[ErrorCode, string]>([
    ['bad_request', 'INFO'],
    ['not_configured', 'WARNING'],
    ['database_unavailable', 'ERROR'],
  ])('%s is logged once, as %s', async (code, severity) => {
    const { lines } = await ask(async () => {
      throw new AppError(code, 'The detail.');
    });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ severity, event: 'request_failed', error_code: code, stack: null });
    expect(lines[0]?.['message']).toMatch(/: The detail\.$/);
  });

  it('that nobody foresaw is a 500 that tells nothing of it, and its stack is logged without its message', async () => {
    const answered = await ask(async () => {
      throw new TypeError('Order 4711\nof buyer@example.com');
    });
    expect(answered.json).toMatchObject({ status: 500, code: 'internal', detail: 'Unexpected TypeError.' });
    expect(answered.lines[0]).toMatchObject({
      severity: 'ERROR',
      stack: expect.stringMatching(/^ {4}at .*http\.test\.ts/),
    });
    expect(JSON.stringify(answered)).not.toMatch(/4711|buyer/);
  });

  it('that is not even an error is a 500 too', async () => {
    const answered = await ask(async () => Promise.reject('Order 4711'));
    expect(answered.status).toBe(500);
    expect(JSON.stringify(answered)).not.toContain('4711');
  });

  it('can carry members of our own', () => {
    const body = problem(new AppError('internal', 'x'), {}, { outcome: 'failed' }).body ?? '';
    expect(JSON.parse(String(body))).toMatchObject({ code: 'internal', outcome: 'failed' });
  });
});

describe('the trace of a request', () => {
  const header = { 'x-cloud-trace-context': '105445aa7843bc8bf206b12000100000/1;o=1' };

  it('stands on every line that the request logs', async () => {
    const { lines } = await ask(
      async (_request, log) => {
        log.info('local', 'from the handler');
        throw new AppError('internal', 'x');
      },
      { headers: header },
      'demo',
    );
    const trace = 'projects/demo/traces/105445aa7843bc8bf206b12000100000';
    expect(lines.map((line) => line['logging.googleapis.com/trace'])).toEqual([trace, trace]);
  });

  it('is left out when the header comes twice', async () => {
    const twice = { 'x-cloud-trace-context': ['a', 'b'] };
    const { lines } = await ask(
      async (_request, log) => {
        log.info('local', 'x');
        return noContent();
      },
      { headers: twice },
      'demo',
    );
    expect(lines).toEqual([{ severity: 'INFO', message: 'x', event: 'local' }]);
  });
});
