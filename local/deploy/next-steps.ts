/** What a person does after a deployment, by the state that it is in. */
import type { DeployedStatus } from './deployed-status.ts';
import type { Deployment } from './terraform.ts';

const SECRETS = ['CLIENT_ID', 'CLIENT_SECRET', 'REFRESH_TOKEN'] as const;

export function nextSteps({ state, is_running: isRunning }: DeployedStatus, deployment: Deployment): string {
  if (state === 'not_configured')
    return `Next, authorize and turn on:\n\n${authorize(deployment)}\n${start(deployment)}`;
  if (state === 'reauth_required') return `Next, authorize again:\n\n${authorize(deployment)}`;
  if (!isRunning) return `Next, turn it on:\n\n${start(deployment)}`;
  return 'It runs. To look at it: npm run doctor -- --deployment';
}

/** The values go from file to file: neither the shell's history nor the list of processes shows them. */
function authorize({ name, projectId }: Deployment): string {
  const add = SECRETS.map((secret) => {
    const id = `${name}-gmail-${secret.toLowerCase().replace('_', '-')}`;
    return (
      `  sed -n 's/^GMAIL_${secret}=//p' .env.deploy | tr -d "'\\n" \\\n` +
      `    | gcloud secrets versions add ${id} --data-file=- --project ${projectId}`
    );
  });
  return [
    '  npm run authorize -- --client-secret client_secret.json --write --env-file .env.deploy',
    ...add,
    '  rm .env.deploy',
  ].join('\n');
}

function start({ startUrl }: Deployment): string {
  return `  curl -X POST -H "Authorization: Bearer $(gcloud auth print-identity-token)" ${startUrl}`;
}
