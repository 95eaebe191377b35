/** `npm run doctor [-- --deployment | --mailbox ADDRESS]`: checks every part of the system and prints one line each, with the remediation. */
import { checkDeployment } from './deploy/check-deployment.ts';
import { type CheckResult, type CheckState, exitCodeOf, formatLine } from './doctor/check-result.ts';
import { runChecks } from './doctor/checks.ts';
import { runCommand } from './support/command.ts';
import { emailAddress, readFlags, UsageError } from './support/flags.ts';
import { Interrupted, shutdownSignal } from './support/shutdown-signal.ts';
import { counted, painted, say } from './support/terminal.ts';

const USAGE = `Usage: npm run doctor [-- --deployment | --mailbox ADDRESS] [--json]
Checks every part of the system, one line each, with the remediation of each failure. Changes nothing except for a
probe in the bucket; costs three units of Gmail's quota.
                what the environment and .env configure (else the local stack): configuration, database, Gmail,
                scheduler job, Pub/Sub, push, completeness
  --deployment  what Terraform has deployed, found by its outputs: reads Google's APIs with gcloud's login, and calls
                the deployed status
  --mailbox ADDRESS
                only this mailbox, the first or an added one: secret, token, scope, account, label, cursor, quota, watch
  --json        one object: {"code", "findings": [{"name", "state", "text", "remediation"}]}
ok: works. warn: should not stay so, or could not be checked. FAIL: needs an operator. info: cannot be checked from
here; the line says how to check it. skip: does not apply, or depends on a failed check.
Exit code: 0 nothing to do, 1 warnings, 2 failures, or the checks could not run.`;

const COLOURS = { ok: 'green', warn: 'yellow', fail: 'red', info: 'dim', skip: 'dim' } as const;

await runCommand(
  USAGE,
  async ({ localStack }) => {
    const flags = readFlags({
      deployment: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      mailbox: { type: 'string' },
    });
    const mailbox = flags.mailbox === undefined ? null : emailAddress('--mailbox', flags.mailbox);
    if (mailbox !== null && flags.deployment)
      throw new UsageError('--mailbox and --deployment exclude each other.');
    const results: CheckResult[] = [];
    const checks = flags.deployment
      ? // `npm run` starts the command in the project's folder.
        checkDeployment(process.cwd(), process.env, shutdownSignal())
      : runChecks(process.env, { localStack, mailbox });
    try {
      for await (const result of checks) {
        results.push(result);
        if (!flags.json) say(formatLine(result, paint));
      }
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
      process.exitCode = 130;
      return;
    }
    const code = exitCodeOf(results);
    say(flags.json ? JSON.stringify({ code, findings: results }, null, 2) : `\n${summary(results)}`);
    process.exitCode = code;
  },
  { failureCode: 2 },
);

function paint(state: CheckState, label: string): string {
  return painted(COLOURS[state], label);
}

function summary(results: readonly CheckResult[]): string {
  const count = (state: CheckState) => results.filter((result) => result.state === state).length;
  const [failures, warnings] = [count('fail'), count('warn')];
  if (failures + warnings === 0) return 'No problems found.';
  const parts = [
    failures > 0 ? counted(failures, 'failure') : null,
    warnings > 0 ? counted(warnings, 'warning') : null,
  ];
  return `${parts.filter((part) => part !== null).join(', ')}.`;
}
