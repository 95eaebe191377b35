import { describe, expect, it } from 'vitest';
import { AppError, type ErrorCode } from '../shared/errors.ts';
import { type HttpRequest, handleRequest, json, noContent, problem, type Route } from '../shared/http.ts';
import { createLog } from '../shared/log.ts';

function request(more: Partial<HttpRequest> = {}): HttpRequest {
  return { method: 'POST', path: '/', query: {}, headers: {}, body: undefined, ...more };
}

async function send(
  handle: Route['handle'],
  more: Partial<HttpRequest> = {},
  projectId: string | null = null,
) {
  const lines: Record<string, unknown>[] = [];
  const log = createLog({ level: 'debug', format: 'json', sink: (line) => lines.push(JSON.parse(line)) });
  const response = await handleRequest({ methods: ['POST', 'PUT'], handle }, request(more), {
    log,
    projectId,
  });
  return { ...response, lines, json: JSON.parse(String(response.body ?? 'null')) };
}

describe('a response', () => {
  it('returns the response of the handler', async () => {
    expect(await send(async () => json<{ when: Date }>(200, { when: new Date(0) }))).toMatchObject({
      status: 200,
      headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
      body: '{"when":"1970-01-01T00:00:00.000Z"}\n',
      lines: [],
    });
  });

  it('returns a response without a body', async () => {
    expect(await send(async () => noContent())).toMatchObject({ status: 204, body: null, headers: {} });
  });
});

describe('an unsupported method', () => {
  it('returns 405 with the supported methods for any other method, without calling the handler', async () => {
    const response = await send(
      async () => {
        throw new Error('called');
      },
      { method: 'GET' },
    );
    expect(response.status).toBe(405);
    expect(response.headers).toMatchObject({
      allow: 'POST, PUT',
      'content-type': 'application/problem+json',
    });
    expect(response.json).toMatchObject({
      code: 'method_not_allowed',
      detail: 'This path does not support GET.',
    });
    expect(response.lines).toEqual([]);
  });
});

describe('an error of the handler', () => {
  it('returns Retry-After in whole seconds when the error has a time', async () => {
    const response = await send(async () => {
      throw new AppError('migration_running', 'Another process is migrating.', { retryAfterMs: 4_100 });
    });
    expect([response.status, response.headers['retry-after']]).toEqual([503, '5']);
  });

  it('turns an AppError into problem details with its code and its remediation', async () => {
    const response = await send(async () => {
      throw new AppError('database_unavailable', 'PostgreSQL: ECONNREFUSED.');
    });
    expect(response.headers).toEqual({
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
    });
    expect(response.json).toEqual({
      type: 'about:blank',
      title: 'The database does not answer',
      status: 503,
      detail: 'PostgreSQL: ECONNREFUSED.',
      code: 'database_unavailable',
      remediation: expect.stringContaining('DATABASE_URL'),
    });
    expect(response.status).toBe(503);
  });

  it.each<[ErrorCode, string]>([
    ['bad_request', 'INFO'],
    ['not_configured', 'WARNING'],
    ['database_unavailable', 'ERROR'],
  ])('logs the error %s once, with severity %s', async (code, severity) => {
    const { lines } = await send(async () => {
      throw new AppError(code, 'The detail.');
    });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ severity, event: 'request_failed', error_code: code, stack: null });
    expect(lines[0]?.['message']).toMatch(/: The detail\.$/);
  });

  it('turns an unexpected error into a 500 without its message, and logs only its stack', async () => {
    const response = await send(async () => {
      throw new TypeError('Order 4711\nof buyer@example.com');
    });
    expect(response.json).toMatchObject({ status: 500, code: 'internal', detail: 'Unexpected TypeError.' });
    expect(response.lines[0]).toMatchObject({
      severity: 'ERROR',
      stack: expect.stringMatching(/^ {4}at .*http\.test\.ts/),
    });
    expect(JSON.stringify(response)).not.toMatch(/4711|buyer/);
  });

  it('turns a thrown value that is not an Error into a 500', async () => {
    const response = await send(async () => Promise.reject('Order 4711'));
    expect(response.status).toBe(500);
    expect(JSON.stringify(response)).not.toContain('4711');
  });

  it('adds further members to a problem', () => {
    const body = problem(new AppError('internal', 'x'), {}, { outcome: 'failed' }).body ?? '';
    expect(JSON.parse(String(body))).toMatchObject({ code: 'internal', outcome: 'failed' });
  });
});

describe('the trace of a request', () => {
  const header = { 'x-cloud-trace-context': '105445aa7843bc8bf206b12000100000/1;o=1' };

  it('adds the trace to every log line of the request', async () => {
    const { lines } = await send(
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

  it('omits the trace when its header occurs twice', async () => {
    const twice = { 'x-cloud-trace-context': ['a', 'b'] };
    const { lines } = await send(
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
