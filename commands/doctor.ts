/** `npm run doctor`: looks at everything that the system needs, one line each, with the cure of what fails. */
import { examine } from '../local/doctor/examination.ts';
import { asLine } from '../local/doctor/finding.ts';
import { runCommand } from './command.ts';
import { counted, readFlags, say } from './terminal.ts';

const USAGE = 'Usage: npm run doctor   (changes nothing; exit code 1 when something fails)';

await runCommand(async () => {
  const flags = readFlags({ help: { type: 'boolean', default: false } }, USAGE);
  if (flags.help) return say(USAGE);
  let failedCount = 0;
  for await (const finding of examine(process.env)) {
    if (finding.state === 'FAIL') failedCount += 1;
    say(asLine(finding));
  }
  say(failedCount === 0 ? '\nAll is well.' : `\n${counted(failedCount, 'check')} failed.`);
  if (failedCount > 0) process.exitCode = 1;
});
