/** Every error of the system: its title, whether a retry can help, its HTTP status, its log severity, its remediation. */
import { withCommand } from './operator-commands.ts';
import type { AdviceAction } from './schemas/actions.ts';

/** `later`: the same call may succeed without any change. `never`: an operator has to act first. */
export type Retry = 'later' | 'never';

export type Severity = 'INFO' | 'WARNING' | 'ERROR';

interface ErrorEntry {
  readonly title: string;
  readonly retry: Retry;
  /** HTTP status of the response that reports it. */
  readonly status: number;
  readonly severity: Severity;
  /** What the operator does next, with the command of `action`. */
  readonly remediation: string;
  /** The same without the command, for a client that shows a button for `action`. */
  readonly text: string;
  /** Null when the remediation needs no command. */
  readonly action: AdviceAction | null;
}

const LOGIN =
  'On your machine, run `gcloud auth application-default login`. In a deployment, check that the service account of the ' +
  'function exists and is enabled.';

export const ERRORS = {
  bad_request: entry('Bad request', 'never', 400, 'INFO', 'Correct the request as the detail explains.'),
  not_found: entry(
    'Not found',
    'never',
    404,
    'INFO',
    'Check the address: /api/openapi.json lists the API, and the page is at /. A row with this id may have been deleted.',
  ),
  mailbox_unknown: entry(
    'Unknown mailbox',
    'never',
    404,
    'INFO',
    'Check the address: `npm run mailbox -- list` shows those that are known, and `npm run mailbox -- add ADDRESS` adds one.',
  ),
  email_claimed: entry(
    'A worker has claimed the email',
    'later',
    409,
    'INFO',
    'Wait until the worker ends or its claim expires, then try again.',
  ),
  raw_unreadable: entry(
    'The stored bytes of the email cannot be read',
    'never',
    500,
    'ERROR',
    'Restore the row of the email in `email_raw`, or its object in the bucket, from a backup. What was parsed before is unchanged.',
  ),
  cross_site: entry(
    'Cross-site request rejected',
    'never',
    403,
    'WARNING',
    'Send the request from the page of this console. A proxy must pass on the Host header as the browser sent it. With curl, ' +
      "add `-H 'Sec-Fetch-Site: none'` to read from /api/console.",
  ),
  iap_assertion_rejected: entry(
    'The request did not come through Identity-Aware Proxy',
    'never',
    401,
    'WARNING',
    'Open the console at its URL in a browser and log in. If that fails too, compare IAP_AUDIENCE of the console with ' +
      '/projects/NUMBER/locations/REGION/services/NAME of its service: `terraform apply` sets it. The gcloud proxy works ' +
      'only while `iap` is off.',
  ),
  iap_keys_unavailable: entry(
    'The keys of Identity-Aware Proxy cannot be read',
    'later',
    503,
    'ERROR',
    'Try again. If it lasts, check that the console reaches www.gstatic.com. Without the keys no request can be verified.',
  ),
  method_not_allowed: entry(
    'Method not allowed',
    'never',
    405,
    'INFO',
    'Use one of the methods in the Allow header.',
  ),
  not_configured: entry(
    'No Gmail credentials',
    'never',
    409,
    'WARNING',
    'Set GMAIL_CLIENT_ID, GMAIL_CLIENT_SECRET and GMAIL_REFRESH_TOKEN; `npm run authorize` obtains them. ' +
      'If a variable that ends in _FILE names a file, make the file readable.',
  ),
  reauth_required: entry(
    'Gmail rejected the refresh token',
    'never',
    409,
    'ERROR',
    'Run `npm run authorize` and set the new GMAIL_REFRESH_TOKEN; for a deployment, add --secret-manager. For an added ' +
      'mailbox, add --mailbox ADDRESS. No mail is fetched until then. Fetching then resumes at the cursor.',
  ),
  bad_client: entry(
    'Google rejected the OAuth client',
    'never',
    409,
    'ERROR',
    'Compare GMAIL_CLIENT_ID and GMAIL_CLIENT_SECRET with the OAuth client in the Cloud console. For an added mailbox, run ' +
      '`npm run authorize -- --mailbox ADDRESS` again, which stores them in its secret.',
  ),
  gmail_denied: entry(
    'Gmail denied access to the mailbox',
    'never',
    409,
    'ERROR',
    'Enable the Gmail API in the project of the OAuth client, or of the service account with domain-wide delegation. Then, ' +
      'unless the mailbox uses delegation, authorize again with the scope gmail.readonly.',
  ),
  workspace_session_expired: entry(
    'The Google Workspace session limit ended the authorization',
    'never',
    409,
    'ERROR',
    'Ask a Workspace administrator to exempt the app: Admin console > Security > Google Cloud session control > "Exempt ' +
      'trusted apps", with the client id trusted under API controls. Or use domain-wide delegation. Then run ' +
      '`npm run authorize`. Without the exemption, a new authorization lasts only hours.',
  ),
  deleted_client: entry(
    'The OAuth client was deleted',
    'never',
    409,
    'ERROR',
    'Restore the client in the Cloud console (Google Auth Platform > Clients), which is possible for 30 days. Or create a ' +
      'client of the type "Desktop app", set GMAIL_CLIENT_ID and GMAIL_CLIENT_SECRET, and run `npm run authorize`.',
  ),
  disabled_client: entry(
    'The OAuth client is disabled',
    'never',
    409,
    'ERROR',
    'Enable the client in the Cloud console (Google Auth Platform > Clients). If Google disabled it, the page of the ' +
      'client and the email to the project owners give the reason and explain how to appeal.',
  ),
  admin_policy_enforced: entry(
    'A Google Workspace administrator blocks the app',
    'never',
    409,
    'ERROR',
    'Ask a Workspace administrator to trust the client id: Admin console > Security > API controls > App access control. ' +
      'If the state does not change, run `npm run authorize`.',
  ),
  policy_enforced: entry(
    'A policy of the Google account blocks the app',
    'never',
    409,
    'ERROR',
    'Check the security settings of the account: Advanced Protection blocks apps that read mail. Turn it off for the ' +
      'account, or use a Workspace account whose administrator trusts the client id. Then run `npm run authorize`.',
  ),
  org_internal: entry(
    'The OAuth client accepts only accounts of its own organisation',
    'never',
    409,
    'ERROR',
    'Authorize with an account of the organisation that owns the project. Or set the audience of the app to "External" ' +
      'in the Cloud console (Google Auth Platform > Audience). Then run `npm run authorize`.',
  ),
  mail_service_disabled: entry(
    'Gmail is not enabled for the account',
    'never',
    409,
    'ERROR',
    'Ask a Workspace administrator to check the account in the Admin console. The account needs a licence that includes ' +
      'Gmail and the Gmail service turned on, and it must not be suspended.',
  ),
  gmail_daily_limit: entry(
    'The daily limit of the Gmail API is reached',
    'later',
    503,
    'ERROR',
    'Raise the quota "per day" of the Gmail API in the Cloud console (APIs & Services > Gmail API > Quotas), or wait: it ' +
      'resets at midnight Pacific time. No email is lost.',
  ),
  account_added: entry(
    'The account of the credentials was added as a mailbox',
    'never',
    409,
    'ERROR',
    'Remove the added mailbox, or set GMAIL_CLIENT_ID, GMAIL_CLIENT_SECRET and GMAIL_REFRESH_TOKEN of another account. Until ' +
      'then the added mailbox is fetched, with its own credentials.',
  ),
  account_unconfirmed: entry(
    'The credentials belong to another account',
    'never',
    409,
    'ERROR',
    'Confirm that the account is an additional mailbox, or that it is a known mailbox with a new address. Otherwise set ' +
      'the credentials of the known mailbox. No mail is fetched until then. Fetching then resumes at the cursor.',
    'confirm_mailbox',
  ),
  wrong_account: entry(
    'The credentials of an added mailbox belong to another account',
    'never',
    409,
    'ERROR',
    'Run `npm run authorize -- --mailbox ADDRESS` and log in with that address. If the account has got a new address, remove ' +
      'the mailbox and add it with the new one. Nothing is stored from the other account.',
  ),
  mailbox_secret_missing: entry(
    'The added mailbox has no credentials',
    'never',
    409,
    'WARNING',
    'Run `npm run authorize -- --mailbox ADDRESS --secret-manager`, or --write for a folder. If the secret was stored before, ' +
      'check that GMAIL_MAILBOX_SECRETS has the prefix or the folder where it is.',
  ),
  mailbox_secret_unreadable: entry(
    'The secret of the added mailbox cannot be read',
    'never',
    409,
    'ERROR',
    'For a file, let the account of the functions read it. In the cloud, enable the Secret Manager API, and grant ' +
      'roles/secretmanager.secretAccessor on the secret to the service account of the function. Its latest version must be ' +
      'enabled. If the content is not valid, run ' +
      '`npm run authorize -- --mailbox ADDRESS` again, which stores a new one.',
  ),
  delegation_not_configured: entry(
    'The mailbox uses delegation, but no service account is set',
    'never',
    409,
    'ERROR',
    'Set GMAIL_DELEGATION_SERVICE_ACCOUNT to the service account that has domain-wide delegation. Or remove the mailbox and ' +
      'add it without --delegation.',
  ),
  delegation_not_allowed: entry(
    'The Workspace domain does not allow the service account to read this mailbox',
    'never',
    409,
    'ERROR',
    'Ask a Workspace administrator to open Admin console > Security > Access and data control > API controls > Manage ' +
      'domain-wide delegation. There, add the numeric client id of the service account in GMAIL_DELEGATION_SERVICE_ACCOUNT ' +
      'with the scope https://www.googleapis.com/auth/gmail.readonly. Google takes minutes, at most 24 hours, to apply it. ' +
      'Delegation reads no account outside of the domain.',
  ),
  delegation_signing_denied: entry(
    'The function may not sign as the service account with delegation',
    'never',
    409,
    'ERROR',
    'Check that the service account in GMAIL_DELEGATION_SERVICE_ACCOUNT exists. Grant roles/iam.serviceAccountTokenCreator on ' +
      'it to the service account of the function. A grant takes a few minutes to apply.',
  ),
  delegation_account_missing: entry(
    'The service account with delegation does not exist or is disabled',
    'never',
    409,
    'ERROR',
    'Compare GMAIL_DELEGATION_SERVICE_ACCOUNT with `gcloud iam service-accounts list`. Enable the account, or set the ' +
      'variable to another one.',
  ),
  delegation_api_disabled: entry(
    'The IAM Credentials API is disabled',
    'never',
    409,
    'ERROR',
    'Run `gcloud services enable iamcredentials.googleapis.com` in the project of the functions.',
  ),
  mailbox_not_found: entry(
    'The Workspace domain has no such mailbox',
    'never',
    409,
    'ERROR',
    'Check the address in the Workspace Admin console under Users: the user must exist and must not be suspended. If the ' +
      'address was misspelt, remove the mailbox and add it with the right one.',
  ),
  google_credentials_missing: entry(
    'This process has no valid Google credentials',
    'never',
    409,
    'ERROR',
    LOGIN,
  ),
  label_missing: entry(
    'The Gmail label does not exist',
    'never',
    409,
    'ERROR',
    'Create the label in Gmail, or set GMAIL_LABEL_ID to the name or id of an existing label; remove an added mailbox and ' +
      'add it with another label. Until then, new messages are recorded but not fetched. Then start the monitor again.',
    'start',
  ),
  gmail_rate_limited: entry(
    'Gmail limits the call rate',
    'later',
    503,
    'WARNING',
    'Nothing to do: calls slow down, and the remaining messages are fetched later. If it lasts, another client uses the ' +
      'quota of the mailbox.',
  ),
  gmail_unavailable: entry(
    'Gmail did not return a valid response',
    'later',
    503,
    'WARNING',
    'Nothing to do: the call is tried again. If it lasts, check that oauth2.googleapis.com and gmail.googleapis.com are ' +
      'reachable from here, then check the Google Workspace status page. Added mailboxes also need ' +
      'secretmanager.googleapis.com or iamcredentials.googleapis.com.',
  ),
  gmail_refused: entry(
    'Gmail rejected the request',
    'never',
    502,
    'ERROR',
    'Look at the reason in the detail. A message that Gmail rejects every time becomes dead in the ledger.',
  ),
  watch_denied: entry(
    'Gmail is not allowed to publish to the topic',
    'never',
    409,
    'ERROR',
    'Grant roles/pubsub.publisher on the topic of GMAIL_PUBSUB_TOPIC to gmail-api-push@system.gserviceaccount.com. ' +
      'Domain restricted sharing needs an exception for this account. Then start again, which registers the watch. Polling continues.',
    'start',
  ),
  watch_topic_wrong: entry(
    'Gmail rejected the topic',
    'never',
    409,
    'ERROR',
    'Set GMAIL_PUBSUB_TOPIC to an existing topic in the project of the OAuth client. Polling continues.',
  ),
  watch_conflict: entry(
    'The OAuth client already has another watch on the mailbox',
    'never',
    409,
    'ERROR',
    'Gmail allows one watch per OAuth client and mailbox. Stop the monitor and start it again. If the error returns, ' +
      'another deployment uses the same client and mailbox: give each deployment its own OAuth client. Polling continues.',
    'restart',
  ),
  push_silent: entry(
    'No push notification arrives',
    'later',
    503,
    'WARNING',
    'Check `gcloud pubsub topics list-subscriptions`: the topic of GMAIL_PUBSUB_TOPIC needs a push subscription whose ' +
      'endpoint is the URL of gmail-push. The service account of the subscription must be allowed to invoke gmail-push. ' +
      'Polling continues.',
  ),
  message_gone: entry(
    'The message no longer exists',
    'never',
    404,
    'INFO',
    'Nothing to do: the message was deleted.',
  ),
  history_expired: entry(
    'The history cursor has expired',
    'never',
    503,
    'ERROR',
    'Nothing to do: the missed period is listed by date, and its messages are fetched. If it repeats at once, check the ' +
      'Google Workspace status page.',
  ),
  database_unavailable: entry(
    'The database does not answer',
    'later',
    503,
    'ERROR',
    'Check that PostgreSQL runs and that DATABASE_URL (or CLOUD_SQL_INSTANCE, DB_NAME and DB_USER) is correct. On ' +
      'the local stack, restart `npm start`. No email is lost.',
  ),
  database_denied: entry(
    'The database denied access to this account',
    'later',
    503,
    'ERROR',
    'In a deployment, call again after a minute: the function calls migrate, which grants each account its tables. DB_USER ' +
      'must be one of the accounts in DB_ACCOUNTS, and migrate must run as the owner of the tables. No email is lost.',
  ),
  database_credentials_missing: entry(
    'This process has no valid Google credentials for Cloud SQL',
    'later',
    503,
    'ERROR',
    `${LOGIN} No email is lost.`,
  ),
  database_login_failed: entry(
    'PostgreSQL rejected the login',
    'later',
    503,
    'ERROR',
    'Check user, password, host and database name in DATABASE_URL (or CLOUD_SQL_INSTANCE, DB_NAME and DB_USER): the user and ' +
      'the database must exist on that server. In a deployment, `npm run deploy` creates them. No email is lost.',
  ),
  migration_running: entry(
    'Another migration is running',
    'later',
    503,
    'WARNING',
    'Wait until it has ended, then call again. A killed migration releases its lock when its connection closes.',
  ),
  schema_outdated: entry(
    'The database schema is older than the code',
    'never',
    503,
    'ERROR',
    'In a deployment, call again after the time in Retry-After: the function that finds an older schema calls migrate. If ' +
      'the error stays, read the logs of this function and of migrate. Elsewhere, run `npm run migrate` with the same ' +
      'DATABASE_URL. No email is lost.',
  ),
  migrate_unavailable: entry(
    'The function migrate did not update the schema',
    'later',
    503,
    'ERROR',
    'Read the log of migrate. If migrate answers 401 or 403, the service account of this function lacks roles/run.invoker ' +
      'on migrate: run `terraform apply`. If it answers 404, compare MIGRATE_URL with the URL of migrate. This function ' +
      'calls it again after a minute. No email is lost.',
  ),
  schema_incompatible: entry(
    'The database has the schema of another version',
    'never',
    503,
    'ERROR',
    'No migration leads from that schema to this version. For the local stack, stop it and delete the folder `.local/`; ' +
      'the next `npm start` creates a new database. Otherwise create an empty database, set DATABASE_URL (or DB_NAME) to ' +
      'it, and run `npm run migrate`.',
  ),
  unstorable: entry(
    'The database rejected the row',
    'never',
    500,
    'ERROR',
    'This is a defect of this software: keep the log line. The message stays in the ledger.',
  ),
  killed_process: entry(
    'The process was killed while it read the message',
    'never',
    500,
    'ERROR',
    'Give the function more memory, then retry the dead messages.',
  ),
  backing_off: entry(
    'The mailbox is backing off after failed runs',
    'later',
    503,
    'WARNING',
    'Nothing to do: the status shows the last error and the time of the next run. An operator can poll at once.',
    'poll_now',
  ),
  lease_lost: entry(
    'Another instance took over the lease',
    'later',
    503,
    'WARNING',
    'Nothing to do: the other instance continues.',
  ),
  out_of_time: entry(
    'The time of the invocation is used up',
    'later',
    503,
    'INFO',
    'Nothing to do: the next invocation continues.',
  ),
  quota_used_up: entry(
    'The quota units of the mailbox are used up for the moment',
    'later',
    503,
    'INFO',
    'Nothing to do: units are available again within a minute, and the next run continues.',
  ),
  scheduler_unavailable: entry(
    'Cloud Scheduler does not answer',
    'later',
    503,
    'ERROR',
    'The state of the scheduler job is not known while Cloud Scheduler does not answer. Call again later. A start or stop has ' +
      'already changed the is_running flag; `status` shows whether the job agrees with it.',
  ),
  scheduler_denied: entry(
    'Cloud Scheduler denied the call',
    'never',
    502,
    'ERROR',
    'Grant cloudscheduler.jobs.get, .pause and .enable on the job to the service account of the function, then call again.',
  ),
  scheduler_job_missing: entry(
    'The Cloud Scheduler job does not exist',
    'never',
    502,
    'ERROR',
    'Compare SCHEDULER_JOB with `gcloud scheduler jobs list`, or run `terraform apply`.',
  ),
  emails_topic_denied: entry(
    'Stored emails cannot be published on EMAILS_PUBSUB_TOPIC',
    'never',
    502,
    'ERROR',
    'Check that the topic of EMAILS_PUBSUB_TOPIC exists, and grant roles/pubsub.publisher on it to the service account of ' +
      'the function. The emails are stored. The next run publishes them.',
  ),
  emails_topic_unavailable: entry(
    'Pub/Sub does not accept the messages for stored emails',
    'later',
    503,
    'WARNING',
    'The emails are stored, and the next run publishes them. If this persists, check the status page of Google Cloud, and ' +
      'whether the function can reach pubsub.googleapis.com.',
  ),
  work_topic_denied: entry(
    'Due mailboxes cannot be published on WORK_PUBSUB_TOPIC',
    'never',
    502,
    'ERROR',
    'Check that the topic of WORK_PUBSUB_TOPIC exists, and grant roles/pubsub.publisher on it to the service account of the ' +
      'function. The next poll publishes the mailboxes again.',
  ),
  work_topic_unavailable: entry(
    'Pub/Sub does not accept the messages for due mailboxes',
    'later',
    503,
    'WARNING',
    'The next poll publishes the mailboxes again. If this persists, check the status page of Google Cloud, and whether the ' +
      'function can reach pubsub.googleapis.com.',
  ),
  bucket_unavailable: entry(
    'The bucket of large attachments does not answer',
    'later',
    503,
    'ERROR',
    'Emails with large attachments wait, and the others are stored. If this persists, check the status page of Google Cloud, and ' +
      'whether the function can reach storage.googleapis.com. No email is lost.',
  ),
  bucket_denied: entry(
    'The bucket of large attachments denies access',
    'never',
    502,
    'ERROR',
    'Check that the bucket of ATTACHMENTS_BUCKET exists, and grant roles/storage.objectUser on it to the service account of the ' +
      'function. Emails with large attachments wait, and the others are stored. No email is lost.',
  ),
  bucket_credentials_missing: entry(
    'This process has no valid Google credentials for the bucket',
    'never',
    502,
    'ERROR',
    `${LOGIN} Emails with large attachments wait, and the others are stored. No email is lost.`,
  ),
  bucket_object_missing: entry(
    'The bytes are not in the bucket',
    'never',
    500,
    'ERROR',
    'Run `npm run storage -- verify`, which lists all missing and damaged objects. Copy them into the bucket from a backup. A ' +
      'missing attachment is also uploaded again by `npm run reprocess -- --id EMAIL --apply`. Delete a damaged object first.',
  ),
  bucket_not_set: entry(
    'The bytes are in a bucket, but no bucket is set',
    'never',
    500,
    'ERROR',
    'Set ATTACHMENTS_BUCKET to the bucket of the deployment. To give it up, first run `npm run storage -- move --to database`.',
  ),
  url_signing_denied: entry(
    'No URL for the bytes can be signed',
    'never',
    502,
    'ERROR',
    'Grant roles/iam.serviceAccountTokenCreator on the service account of attachment-url to this account itself, and enable the IAM ' +
      'Credentials API. `terraform apply` does both.',
  ),
  bytes_in_database: entry(
    'The bytes are in the database',
    'never',
    409,
    'INFO',
    'Read them with `select attachment_data(id)`.',
  ),
  internal: entry(
    'Unexpected error',
    'later',
    500,
    'ERROR',
    'Search the log for the same run or trace. The work is retried.',
  ),
} as const satisfies Record<string, ErrorEntry>;

function entry(
  title: string,
  retry: Retry,
  status: number,
  severity: Severity,
  text: string,
  action: AdviceAction | null = null,
): ErrorEntry {
  return { title, retry, status, severity, remediation: withCommand(text, action), text, action };
}
