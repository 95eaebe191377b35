/**
 * `npm run service-agent -- --project PROJECT --service SERVICE`: creates the account with which a Google service acts in a
 * project. Terraform runs it before it grants a role to the account.
 */
import { GoogleApi } from './deploy/google-api.ts';
import { createServiceAgent } from './deploy/service-agent.ts';
import { terraformToken } from './deploy/terraform-token.ts';
import { runCommand } from './support/command.ts';
import { invalidArgument, readFlags, UsageError, wholeNumber } from './support/flags.ts';
import { shutdownSignal } from './support/shutdown-signal.ts';
import { say } from './support/terminal.ts';

/** Google rejects calls of a newly enabled API for some minutes. */
const WAIT_SECONDS = 300;

const USAGE = `Usage: npm run service-agent -- --project PROJECT --service SERVICE [--wait SECONDS]
Creates the account with which a Google service acts in a project (its service agent), and prints its address. Changes
nothing when the account exists. \`terraform apply\` runs this command for Identity-Aware Proxy. Credentials are those of
Terraform: GOOGLE_OAUTH_ACCESS_TOKEN, GOOGLE_CREDENTIALS, or Application Default Credentials. With
GOOGLE_IMPERSONATE_SERVICE_ACCOUNT they act as that account.
  --project PROJECT  id or number
  --service SERVICE  for example iap.googleapis.com, an API that is enabled in the project
  --wait SECONDS     how long to retry while Google rejects the call, as after enabling the API (default ${WAIT_SECONDS})`;

await runCommand(
  USAGE,
  async () => {
    const flags = readFlags({
      project: { type: 'string' },
      service: { type: 'string' },
      wait: { type: 'string', default: String(WAIT_SECONDS) },
    });
    const { project = '', service = '' } = flags;
    if (project === '' || service === '') throw new UsageError('--project and --service are needed.');
    if (!/^[a-z0-9.:-]+$/.test(project)) throw invalidArgument('--project', project, 'an id or a number');
    if (!/^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(service))
      throw invalidArgument('--service', service, 'a name such as iap.googleapis.com');
    const waitSeconds = wholeNumber('--wait', flags.wait, { max: 9_999 });
    const { env } = process;
    const { signal } = shutdownSignal();
    const api = new GoogleApi({
      token: terraformToken(env, project),
      env,
      signal,
      retryForSeconds: waitSeconds,
      quotaProject: project,
      permissionRemediation:
        'The caller needs serviceusage.services.enable and .use in the project, as in roles/serviceusage.serviceUsageAdmin. ' +
        'A newly enabled API takes minutes to take effect; then run the command again.',
    });
    const account = await createServiceAgent(api, { project, service, waitSeconds, signal });
    say(account ?? `${service} has no service agent to name.`);
  },
  { localStack: false },
);
