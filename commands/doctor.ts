/** `npm run doctor [-- --deployment]`: looks at everything that the system needs, one line each, with the cure of what fails. */
import { examineDeployment } from '../local/deploy/examine-deployment.ts';
import { examine } from '../local/doctor/examination.ts';
import { asLine } from '../local/doctor/finding.ts';
import { runCommand } from './command.ts';
import { counted, readFlags, say } from './terminal.ts';

const USAGE = `Usage: npm run doctor [-- --deployment]   (changes nothing; exit code 1 when something fails)
                what the environment and .env name: configuration, database, Gmail, scheduler job
  --deployment  what Terraform has deployed, as it says of itself: its status, its scheduler job, its advice`;

await runCommand(USAGE, async () => {
  const flags = readFlags({ deployment: { type: 'boolean', default: false } }, USAGE);
  let failedCount = 0;
  // `npm run` starts it in the folder of the project.
  const findings = flags.deployment ? examineDeployment(process.cwd(), process.env) : examine(process.env);
  for await (const finding of findings) {
    if (finding.state === 'FAIL') failedCount += 1;
    say(asLine(finding));
  }
  say(failedCount === 0 ? '\nAll is well.' : `\n${counted(failedCount, 'check')} failed.`);
  if (failedCount > 0) process.exitCode = 1;
});
