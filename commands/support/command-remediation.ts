/**
 * What to do when a command or a check of the doctor ends with an error. The error catalogue speaks of runs, which repeat a
 * failed call; a command does not repeat it.
 */
import { LOCAL_STACK_DOWN, type LocalStackState } from '../../local/local-env.ts';
import type { AppError, ErrorCode } from '../../shared/errors.ts';

/** What fails when the local stack is stopped: the stack contains the database and the emulated Gmail. */
const STACK_DOWN_CODES: readonly ErrorCode[] = ['database_unavailable', 'gmail_unavailable'];

const COMMAND_REMEDIATIONS: Partial<Record<ErrorCode, string>> = {
  database_denied:
    'Use the account that owns the tables: in a deployment, that of migrate. No email is lost.',
  gmail_rate_limited:
    'Run the command again in a minute. If it lasts, another client uses the quota of the mailbox.',
  gmail_unavailable:
    'Check that oauth2.googleapis.com and gmail.googleapis.com are reachable from here, then check the Google Workspace status page.',
  internal:
    'Run the command again. If it lasts, run it with DEBUG=1, which prints the stack, and report it as a defect.',
  schema_outdated:
    'If this is the database of a deployment, deploy this version, or check out the version that is deployed. Otherwise run ' +
    '`npm run migrate` with the same DATABASE_URL. No email is lost.',
};

export function remediationForCommand({ code, remediation }: AppError, localStack: LocalStackState): string {
  if (localStack === 'stopped' && STACK_DOWN_CODES.includes(code)) return LOCAL_STACK_DOWN;
  return COMMAND_REMEDIATIONS[code] ?? remediation;
}
