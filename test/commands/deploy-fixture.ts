/**
 * A project folder to deploy from, and a PATH with only stubs of npm, terraform and gcloud. Each stub records its calls and
 * behaves as the test scripts it.
 */
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CommandProcess, startCommand } from '../helpers/command-process.ts';

export const ACCOUNT = 'alice@example.com';
export const ID_TOKEN = 'identity-token-of-alice';
export const ACCESS_TOKEN = 'access-token-of-terraform';
export const API_TOKEN = 'access-token-of-alice';
export const LOCK_FILE = 'terraform/.terraform.lock.hcl';

/** What a program does when its command line matches `when`. */
export interface Stub {
  readonly when: RegExp;
  readonly prints?: string;
  readonly printsError?: string;
  readonly code?: number;
  /** Runs until an interrupt, then exits with this code. */
  readonly exitCodeAfterInterrupt?: number;
  readonly writes?: string;
}

const PROGRAMS = ['npm', 'terraform', 'gcloud'] as const;
export type Program = (typeof PROGRAMS)[number];

const STUB_PROGRAM = `
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
const [folder, ...line] = process.argv.slice(2);
const note = (text) => appendFileSync(folder + '/calls', text + '\\n');
const called = line.join(' ');
note(called);
const stubs = JSON.parse(readFileSync(folder + '/stubs.json', 'utf8'));
const stub = stubs.find(({ when }) => new RegExp(when).test(called)) ?? {};
if (stub.prints !== undefined) console.log(stub.prints);
if (stub.printsError !== undefined) console.error(stub.printsError);
if (stub.writes !== undefined) writeFileSync(stub.writes, 'written by ' + called);
if (stub.exitCodeAfterInterrupt === undefined) process.exitCode = stub.code ?? 0;
else {
  setInterval(() => undefined, 60_000);
  let interrupts = 0;
  process.on('SIGINT', () => {
    note(line[0] + ' is interrupted');
    // Like Terraform, it stops in order at the first interrupt. During this time, a second one would be recorded.
    interrupts += 1;
    if (interrupts === 1) setTimeout(() => process.exit(stub.exitCodeAfterInterrupt), 300);
  });
  console.log('Working.');
}
`;

export interface Fixture {
  readonly root: string;
  /** The recorded command lines, in order. */
  calls(program?: Program): string[];
  /** Takes precedence over the default behaviour. */
  stub(...stubs: readonly Stub[]): void;
  uninstall(program: Program): void;
  start(args: readonly string[], env?: Readonly<Record<string, string>>): CommandProcess;
  run(
    args: readonly string[],
    env?: Readonly<Record<string, string>>,
  ): Promise<{ readonly code: number | null; readonly output: string }>;
  /** Runs `npm run doctor -- --deployment`. */
  runDoctor(): Promise<{ readonly code: number | null; readonly output: string }>;
  /** The environment of the commands. */
  readonly env: Readonly<Record<string, string>>;
  lockFile(text?: string): string | null;
  remove(): void;
}

/** @param url of the deployed functions. @param googleUrl of Google's APIs */
export function createFixture(url: string, googleUrl = url): Fixture {
  const root = mkdtempSync(join(tmpdir(), 'email-monitor-deploy-'));
  const bin = join(root, 'bin');
  mkdirSync(bin);
  mkdirSync(join(root, 'terraform'));
  writeFileSync(join(bin, 'stub.mjs'), STUB_PROGRAM);
  for (const program of PROGRAMS) {
    const script = `#!/bin/sh\nexec '${process.execPath}' '${bin}/stub.mjs' '${root}' ${program} "$@"\n`;
    writeFileSync(join(bin, program), script);
    chmodSync(join(bin, program), 0o755);
  }
  const stub: Fixture['stub'] = (...stubs) => {
    const all = [...stubs, ...defaultStubs(url)].map((one) => ({ ...one, when: one.when.source }));
    writeFileSync(join(root, 'stubs.json'), JSON.stringify(all));
  };
  stub();
  const shared = { ...environment(googleUrl), PATH: bin, HOME: root };
  const start: Fixture['start'] = (args, env = {}) =>
    startCommand('deploy', args, { ...shared, ...env }, root);
  const ended = async (command: CommandProcess) => {
    const code = await command.ended();
    return { code, output: command.output };
  };
  appendFileSync(join(root, 'calls'), '');
  return {
    root,
    calls: (program) =>
      readFileSync(join(root, 'calls'), 'utf8')
        .split('\n')
        .filter((line) => line !== '' && (program === undefined || line.startsWith(`${program} `))),
    stub,
    uninstall: (program) => rmSync(join(bin, program)),
    start,
    run: async (args, env) => await ended(start(args, env)),
    runDoctor: async () => await ended(startCommand('doctor', ['--deployment'], shared, root)),
    env: shared,
    lockFile: (text) => {
      const file = join(root, LOCK_FILE);
      if (text !== undefined) writeFileSync(file, text);
      return existsSync(file) ? readFileSync(file, 'utf8') : null;
    },
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}

function environment(googleUrl: string): Record<string, string> {
  return {
    TF_VAR_project_id: 'orders-example',
    CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDSCHEDULER: googleUrl,
    CLOUDSDK_API_ENDPOINT_OVERRIDES_PUBSUB: googleUrl,
    CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER: googleUrl,
  };
}

/** Everything is installed, gcloud is logged in, Terraform succeeds. */
function defaultStubs(url: string): Stub[] {
  const value = (one: unknown) => ({ sensitive: false, value: one });
  const outputs = {
    name: value('email-monitor'),
    project_id: value('orders-example'),
    region: value('europe-west1'),
    status_url: value(`${url}/status`),
    urls: value({
      start: `${url}/start`,
      stop: `${url}/stop`,
      poll: `${url}/poll`,
      'gmail-push': 'https://gmail-push.example.com',
    }),
  };
  return [
    { when: /^npm run build/, prints: 'dist/ written' },
    { when: /^terraform version -json/, prints: JSON.stringify({ terraform_version: '1.11.4' }) },
    { when: /^terraform \S+ init/, prints: 'Terraform has been initialized', writes: LOCK_FILE },
    { when: /^terraform \S+ plan/, prints: 'Plan: 3 to add, 0 to change', code: 2 },
    { when: /^terraform \S+ apply/, prints: 'Apply complete! Resources: 3 added' },
    { when: /^terraform \S+ output -json/, prints: JSON.stringify(outputs) },
    { when: /^gcloud auth list/, prints: ACCOUNT, printsError: 'WARNING: harmless' },
    { when: /^gcloud config get/, printsError: '(unset)' },
    { when: /^gcloud auth application-default print-access-token/, prints: ACCESS_TOKEN },
    { when: /^gcloud auth print-access-token/, prints: API_TOKEN },
    { when: /^gcloud auth print-identity-token/, prints: ID_TOKEN },
  ];
}
