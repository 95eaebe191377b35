/** Every fault of the system: its title, whether to try again, its HTTP status, its severity, and its remediation. */

/** `later`: the same call may succeed without anybody doing anything. `never`: a person has to act first. */
export type Retry = 'later' | 'never';

export type Severity = 'INFO' | 'WARNING' | 'ERROR';

interface ErrorEntry {
  readonly title: string;
  readonly retry: Retry;
  /** HTTP status of the answer that reports it. */
  readonly status: number;
  readonly severity: Severity;
  /** What the operator does next, one sentence or two. */
  readonly remediation: string;
}

export const ERRORS = {
  bad_request: entry('Bad request', 'never', 400, 'INFO', 'Correct the request as the detail says.'),
  not_found: entry(
    'Not there',
    'never',
    404,
    'INFO',
    'See /api/openapi.json for the API; the page is at /. A row with this id was deleted, or never existed.',
  ),
  cross_site: entry(
    'Another site asks',
    'never',
    403,
    'WARNING',
    "Use the console's own page, or curl. Behind a proxy, let it hand on Host or X-Forwarded-Host as the browser sees them.",
  ),
  method_not_allowed: entry(
    'Method not allowed',
    'never',
    405,
    'INFO',
    'Use a method that the Allow header names.',
  ),
  not_configured: entry(
    'No Gmail credentials',
    'never',
    409,
    'WARNING',
    'Set GMAIL_CLIENT_ID, GMAIL_CLIENT_SECRET and GMAIL_REFRESH_TOKEN; `npm run authorize` obtains them. ' +
      'If a variable with _FILE names a file, make it readable.',
  ),
  reauth_required: entry(
    'Gmail refused the refresh token',
    'never',
    409,
    'ERROR',
    'Run `npm run authorize` and set the new GMAIL_REFRESH_TOKEN; for a deployment add --secret-manager. No mail is fetched until then; then fetching continues at the cursor.',
  ),
  bad_client: entry(
    'Google refused the OAuth client',
    'never',
    409,
    'ERROR',
    'Compare GMAIL_CLIENT_ID and GMAIL_CLIENT_SECRET with the OAuth client in the Cloud console.',
  ),
  gmail_denied: entry(
    'Gmail denies access to the mailbox',
    'never',
    409,
    'ERROR',
    'Enable the Gmail API in the project of the OAuth client and authorize again with the scope gmail.readonly.',
  ),
  workspace_session_expired: entry(
    'The Google Workspace session length ended the authorization',
    'never',
    409,
    'ERROR',
    'An administrator of the Workspace exempts the app: Admin console, Security > Google Cloud session control, "Exempt ' +
      'trusted apps", with the client id trusted under API controls; or use domain-wide delegation. Then run ' +
      '`npm run authorize`. Authorizing again without that lasts only hours.',
  ),
  deleted_client: entry(
    'The OAuth client was deleted',
    'never',
    409,
    'ERROR',
    'Restore the client in the Cloud console (Google Auth Platform > Clients, within 30 days), or create one of the type ' +
      '"Desktop app", set GMAIL_CLIENT_ID and GMAIL_CLIENT_SECRET and run `npm run authorize`.',
  ),
  disabled_client: entry(
    'The OAuth client is disabled',
    'never',
    409,
    'ERROR',
    'Enable the client in the Cloud console (Google Auth Platform > Clients). If Google disabled it, its page and the ' +
      'mail to the owners of the project give the reason and the appeal.',
  ),
  admin_policy_enforced: entry(
    'A Google Workspace administrator blocks the app',
    'never',
    409,
    'ERROR',
    'An administrator trusts the client id in the Admin console: Security > API controls > App access control. Then run ' +
      '`npm run authorize` if the state stays.',
  ),
  policy_enforced: entry(
    'A policy of the Google account blocks the app',
    'never',
    409,
    'ERROR',
    'See the security settings of the account: Advanced Protection blocks apps that read mail. Take the account out of ' +
      'it, or use a Workspace account whose administrator trusts the client id. Then run `npm run authorize`.',
  ),
  org_internal: entry(
    'The OAuth client admits only its own organisation',
    'never',
    409,
    'ERROR',
    'Authorize with an account of the organisation that owns the project, or set the audience of the app to "External" ' +
      'in the Cloud console (Google Auth Platform > Audience). Then run `npm run authorize`.',
  ),
  mail_service_disabled: entry(
    'Gmail is not enabled for the account',
    'never',
    409,
    'ERROR',
    'An administrator checks the account in the Admin console: it needs a licence that includes Gmail, the Gmail service ' +
      'switched on, and must not be suspended.',
  ),
  gmail_daily_limit: entry(
    'The daily limit of the Gmail API is reached',
    'later',
    503,
    'ERROR',
    'Look at the quota "per day" of the Gmail API in the Cloud console (APIs & Services > Gmail API > Quotas) and raise ' +
      'it, or wait: it starts afresh at midnight Pacific time. Nothing is lost.',
  ),
  account_unconfirmed: entry(
    'The credentials are of another account',
    'never',
    409,
    'ERROR',
    'Is it one more mailbox: POST start?new_mailbox=ADDRESS, with its address. Has a known mailbox a new address: ' +
      'POST start?renamed_from=ADDRESS, with its former address. Otherwise set the credentials of the known mailbox. ' +
      'No mail is fetched until then; then fetching continues at the cursor.',
  ),
  label_missing: entry(
    'Gmail has no such label',
    'never',
    409,
    'ERROR',
    'Create the label in Gmail, or set GMAIL_LABEL_ID to the name or id of one that exists, then POST start. New mail is ' +
      'recorded meanwhile, and fetched when the label is known.',
  ),
  gmail_rate_limited: entry(
    'Gmail limits the rate',
    'later',
    503,
    'WARNING',
    'Nothing to do: the pace is lowered and the rest follows. If it lasts, another client shares the mailbox quota.',
  ),
  gmail_unavailable: entry(
    'Gmail does not answer as it should',
    'later',
    503,
    'WARNING',
    'Nothing to do: it is tried again. If it lasts, check that oauth2.googleapis.com and gmail.googleapis.com can be ' +
      'reached from here, then look at the Google Workspace status page.',
  ),
  gmail_refused: entry(
    'Gmail refuses the request',
    'never',
    502,
    'ERROR',
    'Look at the reason in the detail; a message that is refused every time ends as dead in the ledger.',
  ),
  watch_denied: entry(
    'Gmail may not publish to the topic',
    'never',
    409,
    'ERROR',
    'Grant roles/pubsub.publisher on the topic of GMAIL_PUBSUB_TOPIC to ' +
      'gmail-api-push@system.gserviceaccount.com; domain restricted sharing needs an exception. Polling goes on.',
  ),
  watch_topic_wrong: entry(
    'Gmail does not accept the topic',
    'never',
    409,
    'ERROR',
    'GMAIL_PUBSUB_TOPIC must name an existing topic in the project of the OAuth client. Polling goes on.',
  ),
  watch_conflict: entry(
    'Another watch of the same OAuth client and mailbox exists',
    'never',
    409,
    'ERROR',
    'Gmail allows one watch per client and mailbox. POST stop, then POST start. If it repeats, another deployment shares ' +
      'the client and the mailbox: give each its own OAuth client. Polling goes on.',
  ),
  push_silent: entry(
    'No push arrives',
    'later',
    503,
    'WARNING',
    'Look at `gcloud pubsub topics list-subscriptions`: the topic of GMAIL_PUBSUB_TOPIC needs a push subscription whose ' +
      'endpoint is the URL of gmail-push and whose service account may invoke it. Polling continues.',
  ),
  message_gone: entry('The message is gone', 'never', 404, 'INFO', 'Nothing to do: it was deleted.'),
  history_expired: entry(
    'The history cursor has expired',
    'never',
    503,
    'ERROR',
    'Nothing to do: the gap is listed by date and fetched. If it repeats at once, look at the Workspace status page.',
  ),
  database_unavailable: entry(
    'The database does not answer',
    'later',
    503,
    'ERROR',
    'Check that PostgreSQL runs and that DATABASE_URL (or CLOUD_SQL_INSTANCE, DB_NAME, DB_USER) is right; on the local ' +
      'stack restart `npm start`. Nothing is lost.',
  ),
  database_denied: entry(
    'The database denies this account',
    'later',
    503,
    'ERROR',
    'Call the function migrate (or `npm run deploy`), which gives each account its tables; DB_USER must be an account of ' +
      'DB_ACCOUNTS, and migrate must run as the owner of the tables. Nothing is lost.',
  ),
  migration_running: entry(
    'Another migration runs',
    'later',
    503,
    'WARNING',
    'Wait until it has ended, then call again. One that was killed gives its lock back with its connection.',
  ),
  schema_outdated: entry(
    'The database schema is older than the code',
    'never',
    503,
    'ERROR',
    'Run `npm run migrate` with the same DATABASE_URL, or call the function migrate of the deployment (`npm run deploy` does).',
  ),
  schema_incompatible: entry(
    'The database has the schema of another version',
    'never',
    503,
    'ERROR',
    'No migration leads from it to this version. For the local stack, stop it and delete the folder `.local/`; the next ' +
      '`npm start` creates a new database. Otherwise create an empty database, set DATABASE_URL (or DB_NAME) to it, and ' +
      'run `npm run migrate`.',
  ),
  unstorable: entry(
    'The database rejects the row',
    'never',
    500,
    'ERROR',
    'Keep the log line: it is a defect of this software. The message stays in the ledger.',
  ),
  killed_process: entry(
    'The message killed the process that read it',
    'never',
    500,
    'ERROR',
    'Give the function more memory, then retry the dead messages.',
  ),
  backing_off: entry(
    'The mailbox waits after failed runs',
    'later',
    503,
    'WARNING',
    'Nothing to do: `status` shows the error of the last run and the next try. POST poll-now tries at once.',
  ),
  lease_lost: entry(
    'The lease was lost to another instance',
    'later',
    503,
    'WARNING',
    'Nothing to do: the other instance goes on.',
  ),
  out_of_time: entry(
    'The time of the invocation is used up',
    'later',
    503,
    'INFO',
    'Nothing to do: the next invocation goes on.',
  ),
  scheduler_unavailable: entry(
    'Cloud Scheduler does not answer',
    'later',
    503,
    'ERROR',
    'Call again. The is_running flag is set as wished; `status` names a disagreement.',
  ),
  scheduler_denied: entry(
    'Cloud Scheduler denies the call',
    'never',
    502,
    'ERROR',
    'Grant cloudscheduler.jobs.get, .pause and .enable on the job to the account of the function, then call again.',
  ),
  scheduler_job_missing: entry(
    'The Cloud Scheduler job does not exist',
    'never',
    502,
    'ERROR',
    'Compare SCHEDULER_JOB with `gcloud scheduler jobs list`, or run `terraform apply`.',
  ),
  internal: entry(
    'Unexpected fault',
    'later',
    500,
    'ERROR',
    'Look for the same run or trace in the log; it is tried again.',
  ),
} as const satisfies Record<string, ErrorEntry>;

function entry(
  title: string,
  retry: Retry,
  status: number,
  severity: Severity,
  remediation: string,
): ErrorEntry {
  return { title, retry, status, severity, remediation };
}
