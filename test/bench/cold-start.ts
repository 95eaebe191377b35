/**
 * `npm run bench -- cold-start`: from the start of a process to its first answer, each built function, beside an empty
 * function on the same framework. With Node's compile cache, filled by one start before those that count.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { TARGETS, type Target } from '../../functions/runtime/targets.ts';
import { freePort } from '../../local/ports.ts';
import { buildFunctions } from '../helpers/child-processes.ts';
import { median } from './bench-database.ts';
import { type BenchSystem, inSystem } from './bench-system.ts';
import { type Section, tableOf } from './measured.ts';

const ROUNDS = 7;
const MOST = 1.6;
/** Functions that call Gmail before they answer; `start` identifies the mailbox. */
const MOST_WITH_GMAIL = 2;
const CALLS_GMAIL: readonly string[] = ['poll', 'gmailPush', 'pollNow', 'start'];
const FRAMEWORK = join(
  import.meta.dirname,
  '../../node_modules/@google-cloud/functions-framework/build/src/main.js',
);
const EMPTY = `import { http } from '@google-cloud/functions-framework';
http('empty', (_request, response) => response.send('ok'));
`;

interface Question {
  readonly path?: string;
  /** JSON makes it a POST. */
  readonly post?: object;
}
/** A push of what is known already: a whole cycle that finds nothing new, like those of poll and pollNow. */
const PUSH = {
  message: { data: Buffer.from('{"emailAddress":"orders@example.com","historyId":1}').toString('base64') },
};
/** Each answers out of the database; the console's page alone would not. `migrate` finds nothing to do. */
const QUESTIONS: Readonly<Record<Target, Question>> = {
  migrate: { post: {} },
  poll: { post: {} },
  gmailPush: { post: PUSH },
  status: {},
  start: { post: {} },
  stop: { post: {} },
  pollNow: { post: {} },
  console: { path: 'api/console/overview' },
};

export async function coldStart(): Promise<Section> {
  const dist = buildFunctions();
  const cache = mkdtempSync(join(tmpdir(), 'email-monitor-compiled-'));
  // Inside the build's parent, so that the framework is found.
  const empty = `${dist}-empty`;
  try {
    mkdirSync(empty);
    writeFileSync(join(empty, 'index.js'), EMPTY);
    writeFileSync(join(empty, 'package.json'), '{"type":"module","main":"index.js"}');
    return await inSystem(
      { quotaUnitsPerMinute: null },
      async (system) => await measure(system, { cache, dist, empty }),
    );
  } finally {
    rmSync(empty, { recursive: true, force: true });
    rmSync(cache, { recursive: true, force: true });
  }
}

async function measure(
  system: BenchSystem,
  at: { readonly cache: string; readonly dist: string; readonly empty: string },
): Promise<Section> {
  const env = { ...system.env, NODE_COMPILE_CACHE: at.cache };
  const names = ['empty', ...TARGETS] as const;
  const times = new Map<string, number[]>(names.map((name) => [name, []]));
  for (let round = -1; round < ROUNDS; round += 1) {
    for (const name of names) {
      // Stopped by the round before, poll and push would find that out and do nothing more.
      await system.db.rows('update email_monitor_status set is_running = true');
      const ms =
        name === 'empty'
          ? await firstAnswerMs(name, at.empty, env, {})
          : await firstAnswerMs(name, at.dist, env, QUESTIONS[name]);
      if (round >= 0) times.get(name)?.push(ms);
    }
  }
  const base = median(times.get('empty') ?? []);
  const ratios = names.slice(1).map((name) => {
    const own = times.get(name) ?? [];
    return {
      name,
      ms: median(own),
      ratio: median(own.map((ms, n) => ms / (times.get('empty')?.[n] ?? base))),
    };
  });
  return {
    name: 'cold-start',
    title: 'Cold start',
    how:
      `From the start of the process to its first answer, which opens the database; medians of ${ROUNDS}, in turn with an empty ` +
      `function (${base.toFixed(0)} ms). The compile cache is on for all of them.`,
    findings: ratios.map(({ name, ratio }) => {
      const most = CALLS_GMAIL.includes(name) ? MOST_WITH_GMAIL : MOST;
      return {
        what: `${name}, times the empty function`,
        goal: `at most ${most.toFixed(1)}`,
        reached: ratio.toFixed(2),
        isMet: ratio <= most,
      };
    }),
    more: tableOf(
      ['function', 'ms'],
      [['empty', base.toFixed(0)], ...ratios.map(({ name, ms }) => [name, ms.toFixed(0)])],
    ),
  };
}

async function firstAnswerMs(
  target: string,
  source: string,
  env: Record<string, string>,
  { path = '', post }: Question,
): Promise<number> {
  const port = await freePort();
  const startedMs = performance.now();
  const child = spawn(
    process.execPath,
    [FRAMEWORK, `--source=${source}`, `--target=${target}`, `--port=${port}`],
    { env: { PATH: process.env['PATH'] ?? '', FUNCTION_TARGET: target, ...env }, stdio: 'ignore' },
  );
  try {
    for (;;) {
      const response = await ask(`http://127.0.0.1:${port}/${path}`, post).catch(() => null);
      if (response?.ok) return performance.now() - startedMs;
      if (response !== null) throw new Error(`${target} answered ${response.status}.`);
      if (child.exitCode !== null) throw new Error(`${target} ended with ${child.exitCode}.`);
      await delay(4);
    }
  } finally {
    const exited = once(child, 'exit');
    // In order: the compile cache is written at the end.
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), 3_000);
    await exited;
    clearTimeout(late);
  }
}

async function ask(url: string, post: object | undefined): Promise<Response> {
  const json = { 'content-type': 'application/json' };
  const response = await fetch(
    url,
    post === undefined ? {} : { method: 'POST', headers: json, body: JSON.stringify(post) },
  );
  await response.arrayBuffer();
  return response;
}
