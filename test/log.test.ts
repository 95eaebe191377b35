import { describe, expect, it } from 'vitest';
import { createLog, type LogFields, type LogLevel, type LogOptions, traceFields } from '../shared/log.ts';

function logInto(lines: string[], options: Partial<LogOptions> = {}, base?: LogFields) {
  return createLog({ level: 'debug', format: 'json', sink: (line) => lines.push(line), ...options }, base);
}

describe('a line for machines', () => {
  it('is one JSON object with severity, message and event first, and its fields flat beside them', () => {
    const lines: string[] = [];
    logInto(lines).info('run_finished', '3 emails stored', {
      stored_count: 3,
      cursor_after: '17',
      done: true,
    });
    expect(lines).toEqual([
      '{"severity":"INFO","message":"3 emails stored","event":"run_finished","stored_count":3,"cursor_after":"17","done":true}',
    ]);
  });

  it('stays one line whatever its texts hold', () => {
    const lines: string[] = [];
    logInto(lines).write('ERROR', 'local', 'first\nsecond', { detail: 'a\r\nb' });
    expect(lines[0]).not.toMatch(/[\r\n]/);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ message: 'first\nsecond', detail: 'a\r\nb' });
  });

  it('writes null as null, and zero and false as they are', () => {
    const lines: string[] = [];
    logInto(lines).info('local', 'x', { cursor: null, dead_count: 0, is_news: false });
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ cursor: null, dead_count: 0, is_news: false });
  });

  it('carries the fields of every log above it, the nearest one last', () => {
    const lines: string[] = [];
    const run = logInto(lines, {}, { service: 'poll', run_id: 1 }).with({ run_id: 2 });
    run.write('WARNING', 'message_failed', 'x', { attempt: 1 });
    expect(JSON.parse(lines[0] ?? '')).toEqual({
      severity: 'WARNING',
      message: 'x',
      event: 'message_failed',
      service: 'poll',
      run_id: 2,
      attempt: 1,
    });
  });
});

it.each<[LogLevel, string[]]>([
  ['debug', ['DEBUG', 'INFO', 'WARNING', 'ERROR']],
  ['info', ['INFO', 'WARNING', 'ERROR']],
  ['warning', ['WARNING', 'ERROR']],
  ['error', ['ERROR']],
])('the level %s lets pass what is at least as grave', (level, severities) => {
  const lines: string[] = [];
  const log = logInto(lines, { level });
  log.debug('local', 'x');
  log.info('local', 'x');
  log.write('WARNING', 'local', 'x');
  log.with({ run_id: 1 }).write('ERROR', 'local', 'x');
  expect(lines.map((line) => JSON.parse(line).severity)).toEqual(severities);
});

describe('a line for a person', () => {
  function textOf(severity: 'INFO' | 'DEBUG' | 'ERROR', fields?: LogFields): string {
    const lines: string[] = [];
    logInto(lines, { format: 'text' }).write(severity, 'local', 'Said', fields);
    return lines.join('\n').replace(/^\d\d:\d\d:\d\d/, 'TIME');
  }

  it('has the time, the sentence, and what is worth knowing in brackets', () => {
    expect(textOf('INFO', { stored_count: 3, outcome: 'completed' })).toBe(
      'TIME  Said  (stored_count=3 outcome=completed)',
    );
  });

  it('leaves out what says nothing: nulls, zeros, ids of rows and of traces', () => {
    const fields = {
      cursor: null,
      dead_count: 0,
      run_id: 4,
      mailbox_id: 1,
      'logging.googleapis.com/trace': 'projects/p/traces/t',
    };
    expect(textOf('DEBUG', fields)).toBe('TIME  Said');
  });

  it('names its severity only when somebody should look', () => {
    expect(textOf('ERROR')).toBe('TIME  ERROR Said');
  });
});

describe('the trace of a request', () => {
  const TRACE = '105445aa7843bc8bf206b12000100000';

  it('is named as Cloud Logging joins it with the request', () => {
    expect(traceFields(`${TRACE}/1;o=1`, 'demo')).toEqual({
      'logging.googleapis.com/trace': `projects/demo/traces/${TRACE}`,
    });
    expect(traceFields(TRACE, 'demo')).not.toEqual({});
  });

  it.each([
    [undefined, 'demo'],
    ['', 'demo'],
    ['short/1', 'demo'],
    [`${TRACE.slice(1)}g/1`, 'demo'],
    [`${TRACE}/1`, undefined],
    [`${TRACE}/1`, ''],
  ])('is left out for header %o of project %o', (header, projectId) => {
    expect(traceFields(header, projectId)).toEqual({});
  });
});
