/** Checks what Terraform's own tests cannot: that the configuration has no resources other than the ones that they test. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { VARIABLE_FILES } from './variables.ts';

const FOLDER = join(import.meta.dirname, '../../terraform');
const files = readdirSync(FOLDER).filter((name) => name.endsWith('.tf'));
const code = files
  .map((name) => readFileSync(join(FOLDER, name), 'utf8'))
  .join('\n')
  // Comments may mention what the code must not contain.
  .replaceAll(/^\s*#.*$/gm, '');

interface Block {
  readonly type: string;
  readonly name: string;
  readonly body: string;
}

/** Relies on `terraform fmt`, which starts a line only with the closing brace of a top-level block. */
function blocks(kind: string, source: string = code): Block[] {
  const form = new RegExp(`^${kind} "([^"]+)"(?: "([^"]+)")? \\{\\n(.*?)^\\}`, 'gms');
  return [...source.matchAll(form)].map(([, type = '', name = '', body = '']) => ({ type, name, body }));
}

const resources = blocks('resource');
const addresses = (found: readonly Block[]) => found.map(({ type, name }) => `${type}.${name}`).sort();

test('only five grants, one role and the audit logs apply to the whole project', () => {
  expect(
    addresses(resources.filter(({ type }) => /^google_(project|folder|organization)_iam/.test(type))),
  ).toEqual([
    'google_project_iam_audit_config.data_access',
    'google_project_iam_custom_role.scheduler_switch',
    'google_project_iam_member.build_writes_log',
    'google_project_iam_member.cloudsql',
    'google_project_iam_member.mailbox_secrets',
    'google_project_iam_member.scheduler_reader',
    'google_project_iam_member.scheduler_switch',
  ]);
});

test('every resource waits for the pause after the APIs are enabled, not just for the APIs', () => {
  const waiting = resources.filter(({ body }) => body.includes('google_project_service.'));
  expect(addresses(waiting)).toEqual(['time_sleep.apis']);
});

test('the services wait for the pause after the grants', () => {
  const services = resources.filter(({ type }) => type === 'google_cloud_run_v2_service');
  expect(services).toHaveLength(2);
  for (const { body } of services) expect(body).toMatch(/depends_on = \[[^\]]*time_sleep\.grants/);
});

test('no IAM resource removes grants of other deployments', () => {
  expect(addresses(resources.filter(({ type }) => /_iam_(binding|policy)$/.test(type)))).toEqual([]);
});

test('the only services, scheduler jobs, subscriptions and database users are the tested ones', () => {
  const tested = /^google_(cloud_run_v2_service|cloud_scheduler_job|pubsub_subscription|sql_user)$/;
  expect(addresses(resources.filter(({ type }) => tested.test(type)))).toEqual([
    'google_cloud_run_v2_service.function',
    'google_cloud_run_v2_service.migrate',
    'google_cloud_scheduler_job.poll',
    'google_pubsub_subscription.dead_letter',
    'google_pubsub_subscription.emails',
    'google_pubsub_subscription.gmail_push',
    'google_pubsub_subscription.work',
    'google_sql_user.consumer',
    'google_sql_user.function',
  ]);
});

test('Terraform creates the scheduler job paused and later ignores whether it is paused', () => {
  const job = resources.find(({ type }) => type === 'google_cloud_scheduler_job');
  expect(job?.body).toMatch(/lifecycle \{\s*ignore_changes = \[paused\]\s*\}/);
  expect(job?.body).toMatch(/^ {2}paused = true$/m);
});

test('Terraform does not recreate a database user when Cloud SQL reports other roles', () => {
  const users = resources.filter(({ type }) => type === 'google_sql_user');
  expect(users).toHaveLength(2);
  for (const { body } of users) expect(body).toMatch(/ignore_changes = \[database_roles\]/);
});

test('Terraform removes an address from the alerts before it deletes the channel', () => {
  const channel = resources.find(({ type }) => type === 'google_monitoring_notification_channel');
  expect(channel?.body).toMatch(/create_before_destroy = true/);
});

test('Terraform does not rewrite the first version of a secret', () => {
  const version = resources.find(({ type }) => type === 'google_secret_manager_secret_version');
  expect(version?.body).toMatch(/ignore_changes = \[enabled, secret_data\]/);
});

test('Terraform handles no access token', () => {
  expect(code).not.toMatch(/google_client_config|google_service_account_access_token|access_token/);
});

test('no grant is public', () => {
  expect(code).not.toMatch(/allUsers|allAuthenticatedUsers/);
});

test('a plan needs only Terraform and its providers, and an apply also the commands of the project', () => {
  expect(code).not.toMatch(/data "(external|http)"/);
  const provisioners = [...code.matchAll(/^ {2}provisioner "([^"]+)" \{\n(.*?)^ {2}\}/gms)];
  expect(provisioners.map(([, type]) => type)).toContain('local-exec');
  for (const [, type, body] of provisioners) {
    expect(type).toBe('local-exec');
    expect(body).toMatch(
      /^ {4}command +=\s"npm run -s [a-z-]+( -- [^"]*)?"\n {4}working_dir += "\$\{path\.module\}\/\.\."$/m,
    );
    expect(body).not.toMatch(/secret|token|password/);
  }
  expect(code.match(/\bprovisioner\b/g)).toHaveLength(provisioners.length);
  expect(addresses(blocks('data'))).toEqual([
    'archive_file.source',
    'google_project.this',
    'google_sql_database_instance.reused',
  ]);
});

test('variables are in alphabetical order per file and have a description and a type', () => {
  for (const file of VARIABLE_FILES) {
    const names = blocks('variable', readFileSync(join(FOLDER, file), 'utf8')).map(({ type }) => type);
    expect(names, file).toEqual(names.toSorted());
  }
  const variables = blocks('variable');
  expect(new Set(variables.map(({ type }) => type)).size).toBe(variables.length);
  for (const { type, body } of variables) {
    expect(body, type).toMatch(/^ {2}description = "[^"]{10,}/m);
    expect(body, type).toMatch(/^ {2}type +=/m);
  }
});

test('no variable takes a secret', () => {
  const names = blocks('variable').map(({ type }) => type);
  const places = ['secret_locations'];
  expect(names.filter((name) => /secret|token|password|credential/.test(name))).toEqual(places);
});

test('terraform.tfvars.example lists every variable once', () => {
  const example = readFileSync(join(FOLDER, 'terraform.tfvars.example'), 'utf8');
  const shown = [...example.matchAll(/^(?:# )?([a-z_]+) +=/gm)].map(([, name]) => name ?? '');
  expect(shown.sort()).toEqual(
    blocks('variable')
      .map(({ type }) => type)
      .sort(),
  );
});
