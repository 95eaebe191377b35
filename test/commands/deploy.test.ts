/**
 * `npm run deploy` as a process. npm, Terraform and gcloud are stubs, since nothing can be applied here. The functions that
 * it calls are the built ones on a real database, behind a front end that requires the token.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { freePort } from '../../local/ports.ts';
import { buildDist, type Dist, type Served, serve } from '../build/dist.ts';
import { JOB, type SchedulerFixture, schedulerFixture } from '../helpers/scheduler-fixture.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';
import { ACCESS_TOKEN, ACCOUNT, createFixture, type Fixture, ID_TOKEN } from './deploy-fixture.ts';
import { type FakeIamFrontEnd, startFakeIamFrontEnd } from './fake-iam-front-end.ts';

// Each command is a separate process that starts others.
vi.setConfig({ testTimeout: 60_000 });

let dist: Dist;
let db: TestDatabase;
let scheduler: SchedulerFixture;
let served: Served[];
let frontEnd: FakeIamFrontEnd;
let fixture: Fixture;

beforeAll(async () => {
  [dist, db, scheduler] = await Promise.all([buildDist(), createTestDatabase(), schedulerFixture()]);
  const env = { DATABASE_URL: db.url, ...scheduler.env };
  const unreachable = `postgres://status:hidden-word@127.0.0.1:${await freePort()}/orders`;
  served = await Promise.all([
    serve(dist.folder, 'main', { ...env, APP_FUNCTION: 'status' }),
    serve(dist.folder, 'main', { DATABASE_URL: unreachable, APP_FUNCTION: 'status' }),
  ]);
}, 60_000);
afterAll(async () => {
  await Promise.all(served.map(async (one) => await one.stop()));
  await scheduler.close();
  dist.remove();
  await db.close();
});

beforeEach(async () => {
  const [status, failingStatus] = served.map((one) => one.url);
  frontEnd = await startFakeIamFrontEnd(ID_TOKEN, {
    status: status ?? '',
    'failing-status': failingStatus ?? '',
  });
  fixture = createFixture(frontEnd.url);
  if (scheduler.scheduler.get(JOB).state === 'ENABLED') scheduler.scheduler.pause(JOB);
  await db.query('update email_monitor_status set is_running = false');
});
afterEach(async () => {
  fixture.remove();
  await frontEnd.close();
});

/** The Terraform commands that were called, without folder and options. */
const terraformSteps = () =>
  fixture.calls('terraform').flatMap((line) => /^terraform -chdir=terraform (\w+)/.exec(line)?.[1] ?? []);

describe('npm run deploy', () => {
  it('builds, applies once and checks status in this order, and prints the next steps', async () => {
    const { code, output } = await fixture.run(['--yes']);
    expect([code, output]).toEqual([0, expect.stringContaining('Deployed: email-monitor in orders-example')]);
    expect(terraformSteps()).toEqual(['init', 'apply', 'output']);
    expect(fixture.calls()).toContain('terraform -chdir=terraform apply -input=false -auto-approve');
    expect(fixture.calls('npm')).toEqual(['npm run build']);
    expect(frontEnd.passedCalls).toEqual(['GET /status']);
    expect(output).toContain('not_configured, never polled');
    expect(output).toMatch(
      /Next, authorize and start:[\s\S]*npm run authorize -- --client-secret client_secret.json --secret-manager[\s\S]*\/start/,
    );
    // The output of the programs is unchanged.
    for (const text of ['dist/ written', 'Terraform has been initialized', 'Apply complete!'])
      expect(output).toContain(text);
  });

  it('may run again, and prints no token', async () => {
    await fixture.run(['--yes']);
    const { code, output } = await fixture.run(['--yes']);
    expect(code).toBe(0);
    for (const secret of [ID_TOKEN, ACCESS_TOKEN]) {
      expect(output).not.toContain(secret);
      expect(fixture.calls().join('\n')).not.toContain(secret);
    }
  });

  it('waits while the functions migrate the schema', async () => {
    frontEnd.migrateDuring(2);
    const { code, output } = await fixture.run(['--yes']);
    expect([code, frontEnd.passedCalls]).toEqual([0, ['GET /status', 'GET /status', 'GET /status']]);
    expect(output).toContain('status answers 503, The database schema is outdated');
    expect(output).toContain('Retrying.');
  });

  it('passes variables and variable files to Terraform, with paths relative to the caller', async () => {
    const folder = join(fixture.root, 'settings');
    mkdirSync(folder);
    writeFileSync(join(folder, 'prod.tfvars'), 'project_id = "orders-example"\n');
    const args = ['--yes', '--var-file', 'prod.tfvars', '--var', 'region=europe-west3'];
    const { code } = await fixture.run(args, { INIT_CWD: folder, TF_VAR_project_id: '' });
    expect(code).toBe(0);
    expect(fixture.calls('terraform')).toContain(
      `terraform -chdir=terraform apply -input=false -auto-approve -var-file=${folder}/prod.tfvars -var=region=europe-west3`,
    );
  });

  it('retries until a new grant has taken effect', async () => {
    frontEnd.reject(1);
    const { code, output } = await fixture.run(['--yes']);
    expect([code, frontEnd.rejectedCount]).toEqual([0, 1]);
    expect(output).toContain('status answers 403: this account may not call it, or not yet. Retrying.');
  });

  it('requests an audience for the token of a service account only', async () => {
    await fixture.run(['--yes']);
    expect(fixture.calls()).toContain('gcloud auth print-identity-token');
    const robot = 'deployer@orders-example.iam.gserviceaccount.com';
    fixture.stub({ when: /^gcloud auth list/, prints: robot });
    await fixture.run(['--yes']);
    expect(fixture.calls()).toContain(`gcloud auth print-identity-token --audiences=${frontEnd.url}/status`);
    // This gcloud command ignores the configured impersonation, so it needs the option.
    fixture.stub({ when: /^gcloud config get/, prints: robot });
    await fixture.run(['--yes']);
    expect(fixture.calls()).toContain(
      `gcloud auth print-identity-token --impersonate-service-account=${robot} --include-email --audiences=${frontEnd.url}/status`,
    );
  });

  it('prints its usage, and names an unknown option', async () => {
    expect(await fixture.run(['--help'])).toMatchObject({
      code: 0,
      output: expect.stringContaining('Usage: npm run deploy'),
    });
    const { code, output } = await fixture.run(['--force']);
    expect([code, output]).toEqual([1, expect.stringMatching(/--force.*\n.*npm run deploy -- --help/)]);
    expect(fixture.calls()).toEqual([]);
  });
});

describe('npm run deploy -- --plan', () => {
  it('builds and plans, but applies nothing, calls nothing and leaves no Terraform file behind', async () => {
    const { code, output } = await fixture.run(['--plan']);
    expect(code).toBe(0);
    expect(terraformSteps()).toEqual(['init', 'plan']);
    expect(fixture.calls('npm')).toEqual(['npm run build']);
    expect(fixture.calls('gcloud')).toEqual(['gcloud auth application-default print-access-token']);
    expect([frontEnd.passedCalls, frontEnd.rejectedCount]).toEqual([[], 0]);
    expect(fixture.lockFile()).toBeNull();
    expect(output).toMatch(
      /Plan: 3 to add[\s\S]*Nothing was changed\. `npm run deploy` would apply the plan and check status/,
    );
  });

  it('restores an existing file of provider versions', async () => {
    fixture.lockFile('as committed');
    await fixture.run(['--plan']);
    expect(fixture.lockFile()).toBe('as committed');
  });

  it('reports when there is nothing to change, and fails when the plan fails', async () => {
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

describe('preconditions of npm run deploy', () => {
  const expectNothingDone = () => {
    expect([fixture.calls('npm'), terraformSteps(), frontEnd.passedCalls]).toEqual([[], [], []]);
  };

  it('reports all missing preconditions at once, each with its remediation', async () => {
    fixture.uninstall('terraform');
    fixture.uninstall('gcloud');
    const { code, output } = await fixture.run([], { TF_VAR_project_id: '' });
    expect(code).toBe(1);
    for (const problem of [
      /no terminal[\s\S]*--yes/,
      /terraform is not on PATH[\s\S]*developer\.hashicorp\.com/,
      /terraform\.tfvars is missing[\s\S]*terraform\.tfvars\.example/,
      /gcloud is not on PATH[\s\S]*cloud\.google\.com\/sdk/,
      /finds no Google credentials[\s\S]*gcloud auth application-default login/,
    ])
      expect(output).toMatch(problem);
    expectNothingDone();
  });

  it('reports a Terraform that is too old', async () => {
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
    expectNothingDone();
    fixture.stub(version('1.10.0'));
    expect((await fixture.run(['--plan'])).code).toBe(0);
  });

  it('reports a missing login of gcloud and of Terraform', async () => {
    fixture.stub(
      { when: /^gcloud auth list/, printsError: 'No credentialed accounts.' },
      { when: /^gcloud auth application-default/, printsError: 'ERROR: not found', code: 1 },
    );
    const { code, output } = await fixture.run(['--yes']);
    expect(code).toBe(1);
    expect(output).toMatch(/gcloud has no login\.\s+Run `gcloud auth login`/);
    expect(output).toMatch(/finds no Google credentials[\s\S]*gcloud auth application-default login/);
    expectNothingDone();
  });

  it.each([
    ['does not exist', 'absent.json'],
    ['is not accepted', 'key.json'],
  ])('reports that the configured key file %s', async (reason, name) => {
    fixture.stub({ when: /^gcloud auth application-default/, printsError: 'ERROR: not found', code: 1 });
    writeFileSync(join(fixture.root, 'key.json'), '{}');
    const { code, output } = await fixture.run(['--plan'], {
      GOOGLE_APPLICATION_CREDENTIALS: join(fixture.root, name),
    });
    expect(code).toBe(1);
    expect(output).toContain(`${name} of GOOGLE_APPLICATION_CREDENTIALS ${reason}.`);
    expect(output).toContain('unset the variable');
    expectNothingDone();
  });

  it.each(['terraform.tfvars', 'terraform.tfvars.json', 'prod.auto.tfvars'])(
    'accepts the settings in %s',
    async (name) => {
      writeFileSync(join(fixture.root, 'terraform', name), '');
      expect((await fixture.run(['--plan'], { TF_VAR_project_id: '' })).code).toBe(0);
    },
  );

  it('reports a variable file that does not exist', async () => {
    const { code, output } = await fixture.run(['--yes', '--var-file', 'prod.tfvars']);
    expect([code, output]).toEqual([1, expect.stringMatching(/There is no file \S+prod\.tfvars/)]);
    expectNothingDone();
  });
});

describe('failures of npm run deploy', () => {
  const howToContinue = /To continue, run `npm run deploy` again/;

  it('stops when the build fails', async () => {
    fixture.stub({ when: /^npm run build/, printsError: 'Could not resolve "pg"', code: 1 });
    const { code, output } = await fixture.run(['--yes']);
    expect(code).toBe(1);
    expect(output).toMatch(/Could not resolve[\s\S]*Stopped at: build[\s\S]*Done: nothing/);
    expect(output).toMatch(howToContinue);
    expect(terraformSteps()).toEqual([]);
  });

  it('stops when terraform init fails, and explains -reconfigure', async () => {
    fixture.stub({
      when: /^terraform \S+ init/,
      printsError: 'Error: Backend configuration changed',
      code: 1,
    });
    const { code, output } = await fixture.run(['--yes']);
    expect([code, output]).toEqual([
      1,
      expect.stringMatching(/Stopped at: terraform init[\s\S]*-reconfigure/),
    ]);
    expect(terraformSteps()).toEqual(['init']);
  });

  it('stops when terraform apply fails or the operator rejects the plan', async () => {
    fixture.stub({
      when: /^terraform \S+ apply/,
      printsError: 'Error: Error 403: denied',
      code: 1,
    });
    const { code, output } = await fixture.run(['--yes']);
    expect(code).toBe(1);
    expect(output).toMatch(/Error 403: denied[\s\S]*Stopped at: terraform apply/);
    expect(output).toContain('Done: dist/ is built; Terraform is initialized.');
    expect(output).toMatch(howToContinue);
    expect([terraformSteps(), frontEnd.passedCalls]).toEqual([['init', 'apply'], []]);
  });

  it('stops when gcloud returns no identity token', async () => {
    fixture.stub({
      when: /^gcloud auth print-identity-token/,
      printsError: 'ERROR: (gcloud.auth.print-identity-token) Reauthentication failed.',
      code: 1,
    });
    const { code, output } = await fixture.run(['--yes']);
    expect(code).toBe(1);
    expect(output).toMatch(
      /Stopped at: status\nWhy: [^\n]*Reauthentication failed[\s\S]*Remediation: Run `gcloud auth login`/,
    );
  });

  it('stops when status rejects the account, and names the missing role', async () => {
    frontEnd.reject(9);
    const { code, output } = await fixture.run(['--yes', '--wait', '0']);
    expect([code, frontEnd.rejectedCount]).toEqual([1, 1]);
    expect(output).toMatch(/Stopped at: status\nWhy: status answers 403/);
    expect(output).toMatch(
      new RegExp(
        `Remediation: .*roles/run\\.invoker on email-monitor-status: add "user:${ACCOUNT}" to \`viewers\``,
      ),
    );
    expect(output).toContain('Terraform is initialized; Terraform has applied the plan.');
    expect(output).toMatch(howToContinue);
  });

  it('prints the remediation of a status that cannot reach its database, and no password', async () => {
    const outputs = JSON.stringify({
      name: { value: 'email-monitor' },
      project_id: { value: 'orders-example' },
      region: { value: 'europe-west1' },
      status_url: { value: `${frontEnd.url}/failing-status` },
      urls: { value: { start: `${frontEnd.url}/start` } },
    });
    fixture.stub({ when: /^terraform \S+ output -json$/, prints: outputs });
    const { code, output } = await fixture.run(['--yes', '--wait', '0']);
    expect(code).toBe(1);
    expect(output).toMatch(/Why: status answers 503, The database/);
    expect(output).toMatch(/Remediation: Check that PostgreSQL runs/);
    expect(output).not.toContain('hidden-word');
    expect(frontEnd.passedCalls).toEqual(['GET /failing-status']);
  });

  it('prints the command for the log of a function that does not answer', async () => {
    const nowhere = `http://127.0.0.1:${await freePort()}`;
    const away = createFixture(nowhere);
    const { code, output } = await away.run(['--yes', '--wait', '0']);
    away.remove();
    expect(code).toBe(1);
    expect(output).toMatch(/Why: status at \S+ does not answer \(ECONNREFUSED\)/);
    expect(output).toContain('gcloud run services logs read email-monitor-status --region europe-west1');
  });

  it('stops when status reports that the is_running flag and the scheduler job disagree', async () => {
    await db.query('update email_monitor_status set is_running = true');
    const { code, output } = await fixture.run(['--yes']);
    expect(code).toBe(1);
    expect(output).toMatch(/FAIL {2}scheduler job +paused, and the monitor is on/);
    expect(output).toMatch(/Stopped at: status[\s\S]*Remediation: [^\n]*POST start, which makes them agree/);
    expect(output).toContain('Terraform has applied the plan');
  });

  it('reports outputs of Terraform that are incomplete', async () => {
    fixture.stub({ when: /^terraform \S+ output -json$/, prints: '{"name":{"value":"email-monitor"}}' });
    const { code, output } = await fixture.run(['--yes']);
    expect([code, output]).toEqual([
      1,
      expect.stringMatching(/outputs are incomplete: project_id, region, status_url/),
    ]);
  });
});

describe('Ctrl-C in npm run deploy', () => {
  it('interrupts terraform apply exactly once, waits for it, and prints how to continue', async () => {
    fixture.stub({ when: /^terraform \S+ apply/, exitCodeAfterInterrupt: 1 });
    const command = fixture.start(['--yes']);
    await command.printed(/Working\./);
    // The terminal sends the signal, and npm forwards it a second time.
    command.signal('SIGINT');
    await vi.waitUntil(() => fixture.calls().includes('terraform is interrupted'), {
      interval: 5,
      timeout: 20_000,
    });
    command.signal('SIGINT');
    expect(await command.ended()).toBe(130);
    expect(fixture.calls().filter((line) => line === 'terraform is interrupted')).toHaveLength(1);
    expect(command.output).toMatch(
      /Interrupted at: terraform apply\nDone: dist\/ is built; Terraform is init/,
    );
    expect(command.output).toMatch(/To continue, run `npm run deploy` again/);
    expect(frontEnd.passedCalls).toEqual([]);
  });

  it('ends the wait for a grant', async () => {
    frontEnd.reject(1_000);
    const command = fixture.start(['--yes', '--wait', '600']);
    await command.printed(/Retrying/);
    command.signal('SIGTERM');
    expect(await command.ended()).toBe(130);
    expect(command.output).toMatch(/Interrupted at: status\nDone: [^\n]*Terraform has applied the plan\./);
  });
});

describe('npm run doctor -- --deployment', () => {
  it('prints what the deployment reports, and fails for missing credentials', async () => {
    const { code, output } = await fixture.runDoctor();
    expect(output).toMatch(/^ok +deployment +email-monitor in orders-example, europe-west1$/m);
    expect(output).toMatch(/^ok +scheduler job +paused, and the monitor is off/m);
    expect(output).toMatch(/^FAIL +credentials +Not set: GMAIL_CLIENT_ID.*npm run authorize/m);
    expect(code).toBe(2);
    expect(terraformSteps()).toEqual(['output']);
    expect(output).not.toContain(ID_TOKEN);
  });

  it('reports a missing deployment, a missing login and a missing permission', async () => {
    fixture.stub({ when: /^terraform \S+ output/, prints: '{}' }, { when: /^gcloud auth list/, prints: '' });
    const unusable = (await fixture.runDoctor()).output;
    expect(unusable).toMatch(/^FAIL +deployment .*npm run deploy/m);
    expect(unusable).toMatch(/^FAIL +login .*gcloud auth login/m);
    fixture.stub();
    frontEnd.reject(9);
    const rejected = await fixture.runDoctor();
    expect([rejected.code, rejected.output]).toEqual([
      2,
      expect.stringMatching(/^FAIL +status .*`viewers`/m),
    ]);
  });
});
