/**
 * `npm run bench -- cold-start`: the time from the start of a process to its first response, for each built function and,
 * for comparison, an empty function. Node's compile cache is filled by one start that is not counted.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { MAIN, TARGETS, type Target } from '../../functions/runtime/targets.ts';
import { freePort } from '../../local/ports.ts';
import { buildFunctions } from '../helpers/child-processes.ts';
import { median } from './bench-database.ts';
import { type BenchSystem, inSystem } from './bench-system.ts';
import { type Section, tableOf } from './results.ts';

const ROUNDS = 7;
const MAX_RATIO = 1.6;
/** For functions that call Gmail before they respond; `start` identifies the mailbox. */
const MAX_RATIO_WITH_GMAIL = 2;
const CALLS_GMAIL: readonly string[] = ['poll', 'gmailPush', 'pollNow', 'start'];
const FRAMEWORK = join(
  import.meta.dirname,
  '../../node_modules/@google-cloud/functions-framework/build/src/main.js',
);
const TERRAFORM = ['locals', 'mailboxes', 'attachments']
  .map((file) => readFileSync(join(import.meta.dirname, `../../terraform/${file}.tf`), 'utf8'))
  .join('');
const EMPTY = `import { http } from '@google-cloud/functions-framework';
http('empty', (_request, response) => response.send('ok'));
`;

interface ProbeRequest {
  readonly path?: string;
  /** The JSON body of a POST. Without it the request is a GET. */
  readonly post?: object;
  /** Default: 200 to 299. */
  readonly status?: number;
}
/** A push with an old history id: a whole run that finds nothing new, like those of poll and pollNow. */
const PUSH = {
  message: { data: Buffer.from('{"emailAddress":"orders@example.com","historyId":1}').toString('base64') },
};
/** Work for a mailbox that is not added: the function reads the database, and Gmail is not called. */
const WORK = { message: { data: Buffer.from('{"mailbox":"none@example.com"}').toString('base64') } };
/** Each request reads the database; the page of the console would not. `migrate` finds nothing to do. */
const REQUESTS: Readonly<Record<Target, ProbeRequest>> = {
  migrate: { post: {} },
  poll: { post: {} },
  gmailPush: { post: PUSH },
  ingestMailbox: { post: WORK },
  status: {},
  start: { post: {} },
  stop: { post: {} },
  pollNow: { post: {} },
  console: { path: 'api/console/overview' },
  // No attachment has this id.
  attachmentUrl: { path: '?id=1', status: 404 },
};

export async function coldStart(): Promise<Section> {
  const dist = buildFunctions();
  const cache = mkdtempSync(join(tmpdir(), 'email-monitor-compiled-'));
  // Next to the build, so that Node finds the framework.
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
      // The previous round called `stop`, after which poll and push would skip their work.
      await system.db.rows('update email_monitor_status set is_running = true');
      const ms =
        name === 'empty'
          ? await firstResponseMs(name, at.empty, env, {})
          : await firstResponseMs(name, at.dist, { ...env, DB_POOL_SIZE: poolOf(name) }, REQUESTS[name]);
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
      `Time from the start of the process to its first response, which needs the database; medians of ${ROUNDS}, alternating with an ` +
      `empty function (${base.toFixed(0)} ms). The compile cache is on for all, and the connections are limited as in the deployment.`,
    results: ratios.map(({ name, ratio }) => {
      const maxRatio = CALLS_GMAIL.includes(name) ? MAX_RATIO_WITH_GMAIL : MAX_RATIO;
      return {
        what: `${name}, ratio to the empty function`,
        goal: `at most ${maxRatio.toFixed(1)}`,
        reached: ratio.toFixed(2),
        isMet: ratio <= maxRatio,
      };
    }),
    more: tableOf(
      ['function', 'ms'],
      [['empty', base.toFixed(0)], ...ratios.map(({ name, ms }) => [name, ms.toFixed(0)])],
    ),
  };
}

/** @returns the number of connections that Terraform gives an instance of the function; each new one delays its first response */
function poolOf(target: Target): string {
  const pool = new RegExp(`"${target}",.* pool = (\\d+)`).exec(TERRAFORM)?.[1];
  if (pool === undefined) throw new Error(`Terraform has no pool of ${target}.`);
  return pool;
}

async function firstResponseMs(
  target: string,
  source: string,
  env: Record<string, string>,
  { path = '', post, status }: ProbeRequest,
): Promise<number> {
  const port = await freePort();
  const startedMs = performance.now();
  const served = target === 'empty' ? target : MAIN;
  const child = spawn(process.execPath, [FRAMEWORK, `--source=${source}`, `--port=${port}`], {
    env: { PATH: process.env['PATH'] ?? '', FUNCTION_TARGET: served, APP_FUNCTION: target, ...env },
    stdio: 'ignore',
  });
  try {
    for (;;) {
      const response = await send(`http://127.0.0.1:${port}/${path}`, post).catch(() => null);
      if (response !== null && (response.ok || response.status === status))
        return performance.now() - startedMs;
      if (response !== null) throw new Error(`${target} responded with ${response.status}.`);
      if (child.exitCode !== null) throw new Error(`${target} exited with ${child.exitCode}.`);
      await delay(4);
    }
  } finally {
    const exited = once(child, 'exit');
    // SIGTERM first, because Node writes the compile cache when it exits normally.
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), 3_000);
    await exited;
    clearTimeout(late);
  }
}

async function send(url: string, post: object | undefined): Promise<Response> {
  const json = { 'content-type': 'application/json' };
  const response = await fetch(
    url,
    // What the console wants from a page; the other functions ignore it.
    post === undefined
      ? { headers: { 'sec-fetch-site': 'same-origin' } }
      : { method: 'POST', headers: json, body: JSON.stringify(post) },
  );
  await response.arrayBuffer();
  return response;
}
