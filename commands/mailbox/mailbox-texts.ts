/** What `npm run mailbox` says after a change: what to do next, with the commands. */
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Config } from '../../shared/config.ts';
import type { Queryable } from '../../shared/db/database.ts';
import { secretPath } from '../../shared/mailbox-access.ts';
import type { MailboxSettings } from '../../shared/mailboxes/mailbox-settings.ts';
import { shellWord } from '../../shared/operator-commands.ts';
import { nextPollText } from '../support/paused-mailbox.ts';
import { quoted } from '../support/terminal.ts';

export const FIRST_MAILBOX =
  'it is the first mailbox, whose credentials are GMAIL_CLIENT_ID, GMAIL_CLIENT_SECRET and GMAIL_REFRESH_TOKEN.';

export const GMAIL_SCOPE = 'https://www.googleapis.com/auth/gmail.readonly';

type TextConfig = Pick<Config, 'mailboxSecrets' | 'delegationServiceAccount'>;

export async function addedText(
  db: Queryable,
  settings: MailboxSettings,
  config: TextConfig,
): Promise<string> {
  const text =
    settings.access === 'delegation'
      ? await delegationText(db, settings, config)
      : await consentText(db, settings, config.mailboxSecrets);
  if (settings.label === null) return text;
  return `${text}\nThe first run with credentials checks that Gmail has the label ${quoted(settings.label)}.`;
}

async function consentText(
  db: Queryable,
  { emailAddress, secretName }: MailboxSettings,
  store: string | null,
): Promise<string> {
  const check = `\`npm run doctor -- --mailbox ${shellWord(emailAddress)}\` checks it.`;
  const path = store === null || secretName === null ? null : secretPath(store, secretName);
  if (path?.startsWith('/') && existsSync(path))
    return `Added ${emailAddress}. ${await nextPollText(db, 'uses the credentials that are there already', null)}: ${path}
${check}`;
  const target = store?.startsWith('/') ? '--write' : '--secret-manager';
  const other =
    store === null
      ? '\nWithout a deployment, set GMAIL_MAILBOX_SECRETS to an absolute folder and use --write instead of --secret-manager.'
      : '';
  return `Added ${emailAddress}. Next, its owner agrees once:
  npm run authorize -- --mailbox ${shellWord(emailAddress)} --client-secret client_secret.json ${target}${other}
${await nextPollText(db, 'then fetches its emails', null)}. ${check}`;
}

async function delegationText(
  db: Queryable,
  { emailAddress }: MailboxSettings,
  { delegationServiceAccount }: TextConfig,
): Promise<string> {
  const account = delegationServiceAccount ?? 'SERVICE_ACCOUNT';
  const missing =
    delegationServiceAccount === null
      ? `
GMAIL_DELEGATION_SERVICE_ACCOUNT is not set here. A deployment has it with gmail_delegation = true in terraform.tfvars, and
terraform -chdir=terraform output gmail_delegation prints SERVICE_ACCOUNT and its client id.`
      : '';
  return `Added ${emailAddress}, which ${account} reads by domain-wide delegation.${missing}
Once per domain, a Workspace administrator allows that at https://admin.google.com, under Security > Access and data control >
API controls > Manage domain-wide delegation > Add new:
  Client ID     the number that this prints: gcloud iam service-accounts describe ${account} --format='value(uniqueId)'
  OAuth scopes  ${GMAIL_SCOPE}
${await nextPollText(db, 'fetches its emails', null)}. \`npm run doctor -- --mailbox ${shellWord(emailAddress)}\` checks it.`;
}

export function removedText(settings: MailboxSettings, { mailboxSecrets }: TextConfig): string {
  const { emailAddress, mailboxId, secretName } = settings;
  // `erase` knows only mailboxes that Gmail has answered for.
  const erase =
    mailboxId === null ? '' : `\nTo erase the emails: npm run erase -- --mailbox ${shellWord(emailAddress)}`;
  const kept = `Removed ${emailAddress}. It is not read any more. Its stored emails and its ledger stay.${erase}`;
  if (secretName === null) return kept;
  // A terminal that only reaches the database does not know the place.
  const secret =
    mailboxSecrets === null
      ? `If a secret was stored, it stays: its name ends in ${secretName}.`
      : `Its secret stays. To delete it: ${deleteCommand(mailboxSecrets, secretName)}`;
  return `${kept}
${secret}
The owner can withdraw the consent at https://myaccount.google.com/connections.`;
}

function deleteCommand(store: string, secretName: string): string {
  const path = secretPath(store, secretName);
  if (path.startsWith('/')) return `rm ${shellWord(path)}`;
  const [, project] = path.split('/');
  return `gcloud secrets delete ${path.slice(dirname(path).length + 1)} --project ${project}`;
}
