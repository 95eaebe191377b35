/** The text that `npm start` prints: the address of each part, and commands to try next. */
import { join } from 'node:path';
import { shellWord } from '../shared/operator-commands.ts';
import { LOCAL_JOB, LOCAL_LOCATION, LOCAL_PROJECT } from './scheduler.ts';
import type { Stack } from './stack.ts';

/** The fields of `status` that the text uses. */
export interface LocalStatus {
  readonly is_running: boolean;
  readonly state: string;
  readonly last_poll_at: string | null;
  readonly mailboxes: readonly unknown[];
  readonly advice: readonly string[];
}

export function welcome(stack: Stack, status: LocalStatus): string {
  const { ports, mailbox } = stack;
  const api = `http://127.0.0.1:${ports.console}/api/system/email-monitor`;
  const gmail =
    mailbox === null
      ? status.state === 'not_configured'
        ? `not configured: ${status.advice[0] ?? ''}`
        : 'real, with the credentials of the environment'
      : `emulated, ${mailbox.emailAddress}, http://127.0.0.1:${ports.gmail}/ (API only)${mailbox.note}`;
  // So that the commands below use this stack.
  const folder = process.env['LOCAL_DATA_DIR']?.trim();
  const dataDir = folder ? `LOCAL_DATA_DIR=${shellWord(folder)} ` : '';
  const postgres =
    stack.postgresFolder === null
      ? 'your own, from DATABASE_URL'
      : `127.0.0.1:${ports.postgres}, data and password in ${join(stack.postgresFolder, '/')}`;
  return `
Email Monitor is running on this machine. Ctrl-C stops it; the data is kept.

  Console     http://127.0.0.1:${ports.console}/
  Functions   ${api}/{status,start,stop,poll-now}
  Gmail       ${gmail}
  Scheduler   emulated, http://127.0.0.1:${ports.scheduler}/, calls poll every minute
  PostgreSQL  ${postgres}
${status.is_running || status.state === 'not_configured' ? '' : '\nThe monitor is stopped, as you left it. `start` below turns it on.\n'}
Try, in another terminal:

  curl -s ${api}/status
  curl -s -X POST ${api}/poll-now
  curl -s -X POST ${api}/stop
  curl -s -X POST ${api}/start
  ${dataDir}npm run sql -- "select id, sender, subject, attachment_count, received_at from incoming_emails order by id desc limit 10"
  ${dataDir}npm run sql -- "select email_id, filename, detected_content_type, file_size_bytes from email_attachments order by id desc limit 10"
  CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDSCHEDULER=http://127.0.0.1:${ports.scheduler}/ CLOUDSDK_AUTH_ACCESS_TOKEN=local \\
    gcloud scheduler jobs pause ${LOCAL_JOB} --location ${LOCAL_LOCATION} --project ${LOCAL_PROJECT}
`;
}
