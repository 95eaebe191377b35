/**
 * The command as a person starts it: npm, Terraform and gcloud are stand-ins, since nothing can be applied here; what
 * is called over HTTP is real, the built functions on a real database behind a frontEnd that asks for the token.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { freePort } from '../../local/ports.ts';
import { buildDist, type Dist, type Served, serve } from '../build/dist.ts';
import { JOB, type SchedulerBeside, schedulerBeside } from '../functions/scheduler-beside.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';
import {
  ACCESS_TOKEN,
  ACCOUNT,
  API_TOKEN,
  BUILDS,
  createFixture,
  type Fixture,
  ID_TOKEN,
} from './deploy-fixture.ts';
import { type FakeIamFrontEnd, startFakeIamFrontEnd } from './fake-iam-front-end.ts';
import { type GoogleBuilds, startGoogleBuilds } from './google-builds.ts';

// Each command is a process of its own that starts others.
vi.setConfig({ testTimeout: 60_000 });

let dist: Dist;
let db: TestDatabase;
let scheduler: SchedulerBeside;
let served: Served[];
let frontEnd: FakeIamFrontEnd;
let google: GoogleBuilds;
let fixture: Fixture;

beforeAll(async () => {
  [dist, db, scheduler] = await Promise.all([buildDist(), createTestDatabase(), schedulerBeside()]);
  const env = { DATABASE_URL: db.url, ...scheduler.env };
  const elsewhere = `postgres://migrate:hidden-word@127.0.0.1:${await freePort()}/orders`;
  served = await Promise.all([
    serve(dist.folder, 'migrate', env),
    serve(dist.folder, 'status', env),
    serve(dist.folder, 'migrate', { DATABASE_URL: elsewhere }),
  ]);
}, 60_000);
afterAll(async () => {
  await Promise.all(served.map(async (one) => await one.stop()));
  await scheduler.close();
  dist.remove();
  await db.close();
});

beforeEach(async () => {
  const [migrate, status, migrateInVain] = served.map((one) => one.url);
  frontEnd = await startFakeIamFrontEnd(ID_TOKEN, {
    migrate: migrate ?? '',
    status: status ?? '',
    'migrate-in-vain': migrateInVain ?? '',
  });
  google = await startGoogleBuilds(API_TOKEN);
  // Most deployments here are of a source that was built before.
  for (const key of Object.keys(BUILDS.requests)) google.images.add(`${key}:abc`);
  fixture = createFixture(frontEnd.url, google.url);
  if (scheduler.scheduler.get(JOB).state === 'ENABLED') scheduler.scheduler.pause(JOB);
  await db.query('update email_monitor_status set is_running = false');
});
afterEach(async () => {
  fixture.remove();
  await Promise.all([frontEnd.close(), google.close()]);
});

/** What Terraform was called for, without its folder and options. */
const terraformSteps = () =>
  fixture.calls('terraform').flatMap((line) => /^terraform -chdir=terraform (\w+)/.exec(line)?.[1] ?? []);

describe('npm run deploy', () => {
  it('builds, applies, migrates and looks, in this order, and says what comes next', async () => {
    const { rows } = await db.query<{ name: string }>('select name from schema_migrations order by id');
    await db.query('drop schema public cascade');
    await db.query('create schema public');
    google.images.clear();
    const { code, output } = await fixture.run(['--yes']);
    expect([code, output]).toEqual([0, expect.stringContaining('Deployed: email-monitor in orders-example')]);
    expect(terraformSteps()).toEqual(['init', 'apply', 'output', 'apply', 'output']);
    expect(fixture.calls()).toContain('terraform -chdir=terraform apply -input=false -auto-approve');
    expect(fixture.calls('npm')).toEqual(['npm run build']);
    expect(google.submitted).toEqual(Object.values(BUILDS.requests));
    expect([...google.images]).toEqual(['poll:abc', 'poll-now:abc']);
    expect(frontEnd.passedCalls).toEqual(['POST /migrate', 'GET /status']);
    // The real migrations, into an empty database.
    expect(output).toContain(`Applied: ${rows.map((row) => row.name).join(', ')}`);
    expect((await db.query('select name from schema_migrations order by id')).rows).toEqual(rows);
    expect(output).toContain('not_configured, never polled');
    expect(output).toMatch(
      /Next, authorize and turn on:[\s\S]*npm run authorize -- --client-secret client_secret.json --secret-manager[\s\S]*\/start/,
    );
    // What the programs say comes through as it is.
    for (const words of ['dist/ written', 'Terraform has been initialized', 'Apply complete!'])
      expect(output).toContain(words);
  });

  it('goes on when a look at a build gets lost on the way', async () => {
    google.images.clear();
    google.drop(2);
    const { code, output } = await fixture.run(['--yes']);
    expect([code, output]).toEqual([0, expect.stringContaining('Built: poll, poll-now')]);
    expect(google.submitted).toHaveLength(2);
  });

  it('run again finds all done, and shows no token', async () => {
    const { code, output } = await fixture.run(['--yes']);
    expect(code).toBe(0);
    expect(output).toContain('The schema is current.');
    expect(output).toContain('All images of this source are there.');
    expect(google.submitted).toEqual([]);
    for (const secret of [ID_TOKEN, ACCESS_TOKEN, API_TOKEN]) {
      expect(output).not.toContain(secret);
      expect(fixture.calls().join('\n')).not.toContain(secret);
    }
  });

  it('hands variables and their files on to Terraform, the files from where the person stands', async () => {
    const there = join(fixture.root, 'settings');
    mkdirSync(there);
    writeFileSync(join(there, 'prod.tfvars'), 'project_id = "orders-example"\n');
    const args = ['--yes', '--var-file', 'prod.tfvars', '--var', 'region=europe-west3'];
    const { code } = await fixture.run(args, { INIT_CWD: there, TF_VAR_project_id: '' });
    expect(code).toBe(0);
    expect(fixture.calls('terraform')).toContain(
      `terraform -chdir=terraform apply -input=false -auto-approve -var-file=${there}/prod.tfvars -var=region=europe-west3`,
    );
  });

  it('waits for a grant that is not seen everywhere yet', async () => {
    frontEnd.reject(1);
    const { code, output } = await fixture.run(['--yes']);
    expect([code, frontEnd.rejectedCount]).toEqual([0, 1]);
    expect(output).toContain('migrate answers 403: this account may not call it, or not yet. Asking again.');
  });

  it('tells a service account to whom its token goes, and nobody else', async () => {
    await fixture.run(['--yes']);
    expect(fixture.calls()).toContain('gcloud auth print-identity-token');
    const robot = 'deployer@orders-example.iam.gserviceaccount.com';
    fixture.stub({ when: /^gcloud auth list/, prints: robot });
    await fixture.run(['--yes']);
    expect(fixture.calls()).toContain(`gcloud auth print-identity-token --audiences=${frontEnd.url}/status`);
    // Impersonation by configuration does not count for this command of gcloud: it has to be said again.
    fixture.stub({ when: /^gcloud config get/, prints: robot });
    await fixture.run(['--yes']);
    expect(fixture.calls()).toContain(
      `gcloud auth print-identity-token --impersonate-service-account=${robot} --include-email --audiences=${frontEnd.url}/status`,
    );
  });

  it('shows its usage, and names an option that it does not know', async () => {
    expect(await fixture.run(['--help'])).toMatchObject({
      code: 0,
      output: expect.stringContaining('Usage: npm run deploy'),
    });
    const { code, output } = await fixture.run(['--force']);
    expect([code, output]).toEqual([1, expect.stringMatching(/--force[\s\S]*Usage: npm run deploy/)]);
    expect(fixture.calls()).toEqual([]);
  });
});

describe('npm run deploy -- --plan', () => {
  it('builds and plans; applies nothing, calls nothing, leaves no file of Terraform behind', async () => {
    const { code, output } = await fixture.run(['--plan']);
    expect(code).toBe(0);
    expect(terraformSteps()).toEqual(['init', 'plan']);
    expect(fixture.calls('npm')).toEqual(['npm run build']);
    expect(fixture.calls('gcloud')).toEqual(['gcloud auth application-default print-access-token']);
    expect([frontEnd.passedCalls, frontEnd.rejectedCount, google.submitted]).toEqual([[], 0, []]);
    expect(fixture.lockFile()).toBeNull();
    expect(output).toMatch(
      /Plan: 3 to add[\s\S]*Nothing was changed\. `npm run deploy` would build what images are missing, do what the plan says/,
    );
  });

  it('keeps a file of provider versions that was there as it was', async () => {
    fixture.lockFile('as committed');
    await fixture.run(['--plan']);
    expect(fixture.lockFile()).toBe('as committed');
  });

  it('says so when there is nothing to change, and fails with the plan', async () => {
    fixture.stub({ when: /^terraform \S+ plan/, prints: 'No changes.' });
    expect((await fixture.run(['--plan'])).output).toContain('Terraform has nothing to change');
    fixture.stub({ when: /^terraform \S+ plan/, printsError: 'Error: Invalid value for variable', code: 1 });
    const { code, output } = await fixture.run(['--plan']);
    expect([code, output]).toEqual([
      1,
      expect.stringMatching(
        /Invalid value[\s\S]*Stopped at: terraform plan[\s\S]*`npm run deploy -- --plan` again/,
      ),
    ]);
  });
});

describe('before anything is done, it tells', () => {
  const untouched = () => {
    expect([fixture.calls('npm'), terraformSteps(), frontEnd.passedCalls]).toEqual([[], [], []]);
  };

  it('all that is missing at once, each with its remediation', async () => {
    fixture.uninstall('terraform');
    fixture.uninstall('gcloud');
    const { code, output } = await fixture.run([], { TF_VAR_project_id: '' });
    expect(code).toBe(1);
    for (const lack of [
      /no terminal[\s\S]*--yes/,
      /terraform is not on PATH[\s\S]*developer\.hashicorp\.com/,
      /terraform\.tfvars is missing[\s\S]*terraform\.tfvars\.example/,
      /gcloud is not on PATH[\s\S]*cloud\.google\.com\/sdk/,
      /finds no credentials[\s\S]*gcloud auth application-default login/,
    ])
      expect(output).toMatch(lack);
    untouched();
  });

  it('that Terraform is too old', async () => {
    const version = (text: string) => ({
      when: /^terraform version/,
      prints: JSON.stringify({ terraform_version: text }),
    });
    fixture.stub(version('1.8.5'));
    const { code, output } = await fixture.run(['--yes']);
    expect([code, output]).toEqual([
      1,
      expect.stringMatching(/is 1\.8\.5\.[\s\S]*Install Terraform 1\.9 or newer/),
    ]);
    untouched();
    fixture.stub(version('1.10.0'));
    expect((await fixture.run(['--plan'])).code).toBe(0);
  });

  it('that nobody is logged in, to gcloud or for Terraform', async () => {
    fixture.stub(
      { when: /^gcloud auth list/, printsError: 'No credentialed accounts.' },
      { when: /^gcloud auth application-default/, printsError: 'ERROR: not found', code: 1 },
    );
    const { code, output } = await fixture.run(['--yes']);
    expect(code).toBe(1);
    expect(output).toMatch(/Nobody is logged in to gcloud\.\s+Run `gcloud auth login`/);
    expect(output).toMatch(/finds no credentials[\s\S]*gcloud auth application-default login/);
    untouched();
  });

  it.each([
    ['is not there', 'absent.json'],
    ['gives no token', 'key.json'],
  ])('that the key file that was named %s', async (fault, name) => {
    fixture.stub({ when: /^gcloud auth application-default/, printsError: 'ERROR: not found', code: 1 });
    writeFileSync(join(fixture.root, 'key.json'), '{}');
    const { code, output } = await fixture.run(['--plan'], {
      GOOGLE_APPLICATION_CREDENTIALS: join(fixture.root, name),
    });
    expect(code).toBe(1);
    expect(output).toContain(`${name} of GOOGLE_APPLICATION_CREDENTIALS ${fault}.`);
    expect(output).toContain('unset the variable');
    untouched();
  });

  it.each(['terraform.tfvars', 'terraform.tfvars.json', 'prod.auto.tfvars'])(
    'nothing of settings when %s is there',
    async (name) => {
      writeFileSync(join(fixture.root, 'terraform', name), '');
      expect((await fixture.run(['--plan'], { TF_VAR_project_id: '' })).code).toBe(0);
    },
  );

  it('that a file of variables is not there', async () => {
    const { code, output } = await fixture.run(['--yes', '--var-file', 'prod.tfvars']);
    expect([code, output]).toEqual([1, expect.stringMatching(/There is no file \S+prod\.tfvars/)]);
    untouched();
  });
});

describe('at the first failure it stops, and says where, why and how to go on', () => {
  const goesOn = /Go on: `npm run deploy` again/;

  it('the build', async () => {
    fixture.stub({ when: /^npm run build/, printsError: 'Could not resolve "pg"', code: 1 });
    const { code, output } = await fixture.run(['--yes']);
    expect(code).toBe(1);
    expect(output).toMatch(/Could not resolve[\s\S]*Stopped at: build[\s\S]*Done: nothing/);
    expect(output).toMatch(goesOn);
    expect(terraformSteps()).toEqual([]);
  });

  it('terraform init', async () => {
    fixture.stub({ when: /^terraform \S+ init/, printsError: 'Error: Backend configuration changed', code: 1 });
    const { code, output } = await fixture.run(['--yes']);
    expect([code, output]).toEqual([
      1,
      expect.stringMatching(/Stopped at: terraform init[\s\S]*-reconfigure/),
    ]);
    expect(terraformSteps()).toEqual(['init']);
  });

  it('terraform apply, or a person who does not agree to it', async () => {
    fixture.stub({
      when: /^terraform \S+ apply(?!.*-target)/,
      printsError: 'Error: Error 403: denied',
      code: 1,
    });
    const { code, output } = await fixture.run(['--yes']);
    expect(code).toBe(1);
    expect(output).toMatch(/Error 403: denied[\s\S]*Stopped at: terraform apply/);
    expect(output).toContain(
      'Done: dist/ is built; Terraform is initialised; what builds need is there; the images are built.',
    );
    expect(output).toMatch(goesOn);
    expect([terraformSteps(), frontEnd.passedCalls]).toEqual([['init', 'apply', 'output', 'apply'], []]);
  });

  it('a build of an image, after all of them have ended', async () => {
    google.images.clear();
    google.endWith('FAILURE');
    const { code, output } = await fixture.run(['--yes']);
    expect(code).toBe(1);
    expect(output).toMatch(/Stopped at: images\nWhy: the build of poll ends with FAILURE: npm ERR/);
    expect(output).toMatch(/Remediation: Its log: https:\/\/console\.example\/log/);
    expect([google.submitted.length, terraformSteps()]).toEqual([2, ['init', 'apply', 'output']]);
  });

  it("Google's API refuses", async () => {
    fixture.stub({ when: /^gcloud auth print-access-token/, prints: 'of-somebody-else' });
    const { code, output } = await fixture.run(['--yes', '--wait', '0']);
    expect(code).toBe(1);
    expect(output).toMatch(
      /Stopped at: images\nWhy: artifactregistry\.googleapis\.com answers 401 .*invalid authen/,
    );
    expect(output).not.toContain('of-somebody-else');
  });

  it('no identity token', async () => {
    fixture.stub({
      when: /^gcloud auth print-identity-token/,
      printsError: 'ERROR: (gcloud.auth.print-identity-token) Reauthentication failed.',
      code: 1,
    });
    const { code, output } = await fixture.run(['--yes']);
    expect(code).toBe(1);
    expect(output).toMatch(
      /Stopped at: migrate\nWhy: [^\n]*Reauthentication failed[\s\S]*Remediation: Run `gcloud auth login`/,
    );
  });

  it('migrate refuses the account', async () => {
    frontEnd.reject(9);
    const { code, output } = await fixture.run(['--yes', '--wait', '0']);
    expect([code, frontEnd.rejectedCount]).toEqual([1, 1]);
    expect(output).toMatch(/Stopped at: migrate\nWhy: migrate answers 403/);
    expect(output).toMatch(
      new RegExp(
        `Remediation: .*roles/run\\.invoker on email-monitor-migrate: put "user:${ACCOUNT}" into \`deployers\``,
      ),
    );
    expect(output).toContain('the images are built; Terraform has applied the plan.');
    expect(output).toMatch(goesOn);
  });

  it('migrate finds its database away: the remediation is its own, and no password is shown', async () => {
    const outputs = JSON.stringify({
      name: { value: 'email-monitor' },
      project_id: { value: 'orders-example' },
      region: { value: 'europe-west1' },
      migrate_url: { value: `${frontEnd.url}/migrate-in-vain` },
      status_url: { value: `${frontEnd.url}/status` },
      urls: { value: { start: `${frontEnd.url}/start` } },
    });
    fixture.stub({ when: /^terraform \S+ output -json$/, prints: outputs });
    const { code, output } = await fixture.run(['--yes', '--wait', '0']);
    expect(code).toBe(1);
    expect(output).toMatch(/Why: migrate answers 503, The database/);
    expect(output).toMatch(/Remediation: Check that PostgreSQL runs/);
    expect(output).not.toContain('hidden-word');
    expect(frontEnd.passedCalls).toEqual(['POST /migrate-in-vain']);
  });

  it('migrate answers with a problem of the database', async () => {
    await db.query('create table dead_end (id integer)');
    await db.query('alter table schema_migrations rename to schema_migrations_away');
    const { code, output } = await fixture.run(['--yes', '--wait', '0']);
    await db.query('drop table schema_migrations');
    await db.query('alter table schema_migrations_away rename to schema_migrations');
    expect(code).toBe(1);
    expect(output).toMatch(
      /Stopped at: migrate\nWhy: migrate answers 5\d\d, [A-Z][^\n]*\nRemediation: [A-Z]/,
    );
  });

  it('a function that does not answer: the remediation reads its log', async () => {
    const nowhere = `http://127.0.0.1:${await freePort()}`;
    const away = createFixture(nowhere, google.url);
    const { code, output } = await away.run(['--yes', '--wait', '0']);
    away.remove();
    expect(code).toBe(1);
    expect(output).toMatch(/Why: migrate at \S+ does not answer \(ECONNREFUSED\)/);
    expect(output).toContain('gcloud run services logs read email-monitor-migrate --region europe-west1');
  });

  it('a status that is not well: switch and scheduler job disagree', async () => {
    await db.query('update email_monitor_status set is_running = true');
    const { code, output } = await fixture.run(['--yes']);
    expect(code).toBe(1);
    expect(output).toMatch(/FAIL {2}scheduler job +paused, and the monitor is on/);
    expect(output).toMatch(/Stopped at: status[\s\S]*Remediation: [^\n]*POST start, which makes them agree/);
    expect(output).toContain('the database is migrated');
  });

  it('outputs of Terraform that are of another version', async () => {
    fixture.stub({ when: /^terraform \S+ output -json$/, prints: '{"name":{"value":"email-monitor"}}' });
    const { code, output } = await fixture.run(['--yes']);
    expect([code, output]).toEqual([
      1,
      expect.stringMatching(/outputs are not complete: project_id, region, migrate_url/),
    ]);
  });
});

describe('Ctrl-C', () => {
  it('during terraform apply tells Terraform to stop exactly once, waits for it, and ends with a clear word', async () => {
    fixture.stub({ when: /^terraform \S+ apply(?!.*-target)/, exitCodeAfterInterrupt: 1 });
    const command = fixture.start(['--yes']);
    await command.printed(/Working\./);
    // The terminal sends it, and npm passes it on once more.
    command.signal('SIGINT');
    await vi.waitUntil(() => fixture.calls().includes('terraform is told to stop'), { interval: 5 });
    command.signal('SIGINT');
    expect(await command.ended()).toBe(130);
    expect(fixture.calls().filter((line) => line === 'terraform is told to stop')).toHaveLength(1);
    expect(command.output).toMatch(
      /Interrupted at: terraform apply\nDone: dist\/ is built; Terraform is init/,
    );
    expect(command.output).toMatch(/Go on: `npm run deploy` again/);
    expect(frontEnd.passedCalls).toEqual([]);
  });

  it('while it waits for a grant ends the wait', async () => {
    frontEnd.reject(1_000);
    const command = fixture.start(['--yes', '--wait', '600']);
    await command.printed(/Asking again/);
    command.signal('SIGTERM');
    expect(await command.ended()).toBe(130);
    expect(command.output).toMatch(/Interrupted at: migrate\nDone: [^\n]*Terraform has applied the plan\./);
  });
});

describe('npm run doctor -- --deployment', () => {
  it('says what the deployment says of itself, and fails for what is not set up', async () => {
    const { code, output } = await fixture.runDoctor();
    expect(output).toMatch(/^ok +deployment +email-monitor in orders-example, europe-west1$/m);
    expect(output).toMatch(/^ok +scheduler job +paused, and the monitor is off/m);
    expect(output).toMatch(/^FAIL +credentials +Not set: GMAIL_CLIENT_ID.*npm run authorize/m);
    expect(code).toBe(2);
    expect(terraformSteps()).toEqual(['output']);
    expect(output).not.toContain(ID_TOKEN);
  });

  it('names what hinders it: nothing deployed, nobody logged in, not allowed', async () => {
    fixture.stub({ when: /^terraform \S+ output/, prints: '{}' }, { when: /^gcloud auth list/, prints: '' });
    const lost = (await fixture.runDoctor()).output;
    expect(lost).toMatch(/^FAIL +deployment .*npm run deploy/m);
    expect(lost).toMatch(/^FAIL +login .*gcloud auth login/m);
    fixture.stub();
    frontEnd.reject(9);
    const refused = await fixture.runDoctor();
    expect([refused.code, refused.output]).toEqual([2, expect.stringMatching(/^FAIL +status .*`viewers`/m)]);
  });
});
