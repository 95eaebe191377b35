import { describe, expect, it } from 'vitest';
import { createLog, type LogFields, type LogLevel, type LogOptions, traceFields } from '../shared/log.ts';

function logInto(lines: string[], options: Partial<LogOptions> = {}, base?: LogFields) {
  return createLog({ level: 'debug', format: 'json', sink: (line) => lines.push(line), ...options }, base);
}

describe('a JSON line', () => {
  it('writes one JSON object with severity, message and event first, then the fields', () => {
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

  it('writes one line even when a text contains line breaks', () => {
    const lines: string[] = [];
    logInto(lines).write('ERROR', 'local', 'first\nsecond', { detail: 'a\r\nb' });
    expect(lines[0]).not.toMatch(/[\r\n]/);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ message: 'first\nsecond', detail: 'a\r\nb' });
  });

  it('keeps null, zero and false', () => {
    const lines: string[] = [];
    logInto(lines).info('local', 'x', { cursor: null, dead_count: 0, is_news: false });
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ cursor: null, dead_count: 0, is_news: false });
  });

  it('adds the fields of every parent log, where the nearest parent wins', () => {
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
])('the level %s passes lines of at least that severity', (level, severities) => {
  const lines: string[] = [];
  const log = logInto(lines, { level });
  log.debug('local', 'x');
  log.info('local', 'x');
  log.write('WARNING', 'local', 'x');
  log.with({ run_id: 1 }).write('ERROR', 'local', 'x');
  expect(lines.map((line) => JSON.parse(line).severity)).toEqual(severities);
});

describe('a text line', () => {
  function textOf(severity: 'INFO' | 'DEBUG' | 'ERROR', fields?: LogFields): string {
    const lines: string[] = [];
    logInto(lines, { format: 'text' }).write(severity, 'local', 'Said', fields);
    return lines.join('\n').replace(/^\d\d:\d\d:\d\d/, 'TIME');
  }

  it('writes text with the time, the message and its fields in parentheses', () => {
    expect(textOf('INFO', { stored_count: 3, outcome: 'completed' })).toBe(
      'TIME  Said  (stored_count=3 outcome=completed)',
    );
  });

  it('omits nulls, zeros, row ids and trace ids from text', () => {
    const fields = {
      cursor: null,
      dead_count: 0,
      run_id: 4,
      mailbox_id: 1,
      'logging.googleapis.com/trace': 'projects/p/traces/t',
    };
    expect(textOf('DEBUG', fields)).toBe('TIME  Said');
  });

  it('shows the severity in text from WARNING on', () => {
    expect(textOf('ERROR')).toBe('TIME  ERROR Said');
  });
});

describe('traceFields', () => {
  const TRACE = '105445aa7843bc8bf206b12000100000';

  it('returns the trace in the format of Cloud Logging', () => {
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
  ])('returns nothing for the header %o of the project %o', (header, projectId) => {
    expect(traceFields(header, projectId)).toEqual({});
  });
});
