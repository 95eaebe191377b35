/** What a person does after a deployment, by the state that it is in. */
import type { Status } from '../../shared/schemas/status.ts';
import type { Deployment } from './terraform.ts';

export function nextSteps({ state, is_running: isRunning }: Status, deployment: Deployment): string {
  if (state === 'not_configured') return `Next, authorize and turn on:\n\n${AUTHORIZE}\n${start(deployment)}`;
  if (state === 'reauth_required') return `Next, authorize again:\n\n${AUTHORIZE}`;
  if (!isRunning) return `Next, turn it on:\n\n${start(deployment)}`;
  return 'It runs. To look at it: npm run doctor -- --deployment';
}

/** The values go from Google to Secret Manager: neither a file, the shell's history nor the list of processes has them. */
const AUTHORIZE = '  npm run authorize -- --client-secret client_secret.json --secret-manager';

function start({ startUrl }: Deployment): string {
  return `  curl -X POST -H "Authorization: Bearer $(gcloud auth print-identity-token)" ${startUrl}`;
}
