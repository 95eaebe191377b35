/** `npm run doctor [-- --deployment]`: walks every link of the system, one line each, with the remediation of what is wrong. */
import { examineDeployment } from './deploy/examine-deployment.ts';
import { Interrupted } from './deploy/interruption.ts';
import { examine } from './doctor/examination.ts';
import { asLine, exitCodeOf, type Finding, type FindingState } from './doctor/finding.ts';
import { runCommand } from './support/command.ts';
import { counted, painted, readFlags, say } from './support/terminal.ts';

const USAGE = `Usage: npm run doctor [-- --deployment] [--json]
Looks at every link, one line each, with the remediation of what is wrong. Changes nothing; takes three units of Gmail's
quota.
                what the environment and .env name (else the local stack): configuration, database, Gmail, scheduler
                job, Pub/Sub, push, completeness
  --deployment  what Terraform has deployed, by its outputs: Google is asked by gcloud's login, the rest by status
  --json        one object: {"code", "findings": [{"name", "state", "text", "remediation"}]}
ok is well, warn should not stay so or could not be looked at, FAIL needs a person, note cannot be seen from here and
says how, skip does not apply or waits for another link.
Exit code: 0 nothing to do, 1 warnings, 2 faults, or it could not look at all.`;

const COLOURS = { ok: 'green', warning: 'yellow', fault: 'red', note: 'dim', skipped: 'dim' } as const;

await runCommand(
  USAGE,
  async () => {
    const flags = readFlags(
      { deployment: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
      USAGE,
    );
    const found: Finding[] = [];
    // `npm run` starts it in the folder of the project.
    const examined = flags.deployment ? examineDeployment(process.cwd(), process.env) : examine(process.env);
    try {
      for await (const finding of examined) {
        found.push(finding);
        if (!flags.json) say(asLine(finding, paint));
      }
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
      process.exitCode = 130;
      return;
    }
    const code = exitCodeOf(found);
    say(flags.json ? JSON.stringify({ code, findings: found }, null, 2) : `\n${summary(found)}`);
    process.exitCode = code;
  },
  { failureCode: 2 },
);

function paint(state: FindingState, word: string): string {
  return painted(COLOURS[state], word);
}

function summary(found: readonly Finding[]): string {
  const count = (state: FindingState) => found.filter((finding) => finding.state === state).length;
  const [faults, warnings] = [count('fault'), count('warning')];
  if (faults + warnings === 0) return 'All is well.';
  const parts = [
    faults > 0 ? counted(faults, 'fault') : null,
    warnings > 0 ? counted(warnings, 'warning') : null,
  ];
  return `${parts.filter((part) => part !== null).join(', ')}.`;
}
