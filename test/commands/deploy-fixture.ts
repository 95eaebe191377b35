/**
 * A folder to deploy from: `terraform/` beside a PATH on which npm, terraform and gcloud are stand-ins that write down
 * how they were called and play a scene. Nothing else stands on that PATH.
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

/** What a program does when the line it was called with fits. */
export interface Scene {
  readonly when: RegExp;
  readonly prints?: string;
  readonly complains?: string;
  readonly code?: number;
  /** Works until it is told to stop; then ends with this code. */
  readonly untilStopped?: number;
  readonly writes?: string;
}

const PROGRAMS = ['npm', 'terraform', 'gcloud'] as const;
export type Program = (typeof PROGRAMS)[number];

const STAND_IN = `
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
const [folder, ...line] = process.argv.slice(2);
const note = (text) => appendFileSync(folder + '/calls', text + '\\n');
const called = line.join(' ');
note(called);
const scenes = JSON.parse(readFileSync(folder + '/scenes.json', 'utf8'));
const scene = scenes.find(({ when }) => new RegExp(when).test(called)) ?? {};
if (scene.prints !== undefined) console.log(scene.prints);
if (scene.complains !== undefined) console.error(scene.complains);
if (scene.writes !== undefined) writeFileSync(scene.writes, 'written by ' + called);
if (scene.untilStopped === undefined) process.exitCode = scene.code ?? 0;
else {
  setInterval(() => undefined, 60_000);
  let stops = 0;
  process.on('SIGINT', () => {
    note(line[0] + ' is told to stop');
    // As Terraform: the first time in order, which takes a moment, in which a second one would be seen.
    stops += 1;
    if (stops === 1) setTimeout(() => process.exit(scene.untilStopped), 300);
  });
  console.log('Working.');
}
`;

export interface Fixture {
  readonly root: string;
  /** The lines that the programs were called with, in order. */
  calls(program?: Program): string[];
  /** These come before the ordinary ones. */
  play(...scenes: readonly Scene[]): void;
  without(program: Program): void;
  start(args: readonly string[], env?: Readonly<Record<string, string>>): CommandProcess;
  run(
    args: readonly string[],
    env?: Readonly<Record<string, string>>,
  ): Promise<{ readonly code: number | null; readonly output: string }>;
  /** The same, of `npm run doctor -- --deployment`. */
  examine(): Promise<{ readonly code: number | null; readonly output: string }>;
  /** The environment that its programs start with. */
  readonly env: Readonly<Record<string, string>>;
  lockFile(text?: string): string | null;
  remove(): void;
}

/** @param url where the deployed functions answer. @param googleUrl where Google's APIs do */
export function createFixture(url: string, googleUrl: string): Fixture {
  const root = mkdtempSync(join(tmpdir(), 'email-monitor-deploy-'));
  const bin = join(root, 'bin');
  mkdirSync(bin);
  mkdirSync(join(root, 'terraform'));
  writeFileSync(join(bin, 'stand-in.mjs'), STAND_IN);
  for (const program of PROGRAMS) {
    const script = `#!/bin/sh\nexec '${process.execPath}' '${bin}/stand-in.mjs' '${root}' ${program} "$@"\n`;
    writeFileSync(join(bin, program), script);
    chmodSync(join(bin, program), 0o755);
  }
  const play: Fixture['play'] = (...scenes) => {
    const all = [...scenes, ...ordinary(url)].map((scene) => ({ ...scene, when: scene.when.source }));
    writeFileSync(join(root, 'scenes.json'), JSON.stringify(all));
  };
  play();
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
    play,
    without: (program) => rmSync(join(bin, program)),
    start,
    run: async (args, env) => await ended(start(args, env)),
    examine: async () => await ended(startCommand('doctor', ['--deployment'], shared, root)),
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
    CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN: googleUrl,
    CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDBUILD: googleUrl,
    CLOUDSDK_API_ENDPOINT_OVERRIDES_ARTIFACTREGISTRY: googleUrl,
    CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDSCHEDULER: googleUrl,
    CLOUDSDK_API_ENDPOINT_OVERRIDES_PUBSUB: googleUrl,
    CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER: googleUrl,
  };
}

const request = (key: string, functionTarget: string) => ({
  storageSource: { bucket: 'orders-example-source', object: 'source-1.zip' },
  imageUri: `europe-west1-docker.pkg.dev/orders-example/email-monitor/${key}:abc`,
  buildpackBuild: { functionTarget },
});
/** As Terraform's output `builds`. */
export const BUILDS = {
  parent: 'projects/orders-example/locations/europe-west1',
  requests: { poll: request('poll', 'poll'), 'poll-now': request('poll-now', 'pollNow') },
};

/** All is well: everything is installed, somebody is logged in, Terraform applies. */
function ordinary(url: string): Scene[] {
  const value = (one: unknown) => ({ sensitive: false, value: one });
  const outputs = {
    name: value('email-monitor'),
    project_id: value('orders-example'),
    region: value('europe-west1'),
    migrate_url: value(`${url}/migrate`),
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
    { when: /^terraform \S+ output -json builds/, prints: JSON.stringify(BUILDS) },
    { when: /^terraform \S+ output -json/, prints: JSON.stringify(outputs) },
    { when: /^gcloud auth list/, prints: ACCOUNT, complains: 'WARNING: nothing of concern' },
    { when: /^gcloud config get/, complains: '(unset)' },
    { when: /^gcloud auth application-default print-access-token/, prints: ACCESS_TOKEN },
    { when: /^gcloud auth print-access-token/, prints: API_TOKEN },
    { when: /^gcloud auth print-identity-token/, prints: ID_TOKEN },
  ];
}
