/** Shared by the tests of the doctor: runs its checks, and asserts that it reports exactly the expected problems. */
import { expect, vi } from 'vitest';
import { checkDeployment } from '../../commands/deploy/check-deployment.ts';
import { type CheckResult, type CheckState, exitCodeOf } from '../../commands/doctor/check-result.ts';
import { runChecks } from '../../commands/doctor/checks.ts';
import { runToEnd } from '../helpers/command-process.ts';

export interface DoctorOutput {
  readonly code: number | null;
  readonly findings: readonly CheckResult[];
}

type Env = Readonly<Record<string, string | undefined>>;

/** Otherwise Google's library looks for a metadata server, which takes seconds to time out. */
const NO_METADATA_SERVER = { METADATA_SERVER_DETECTION: 'none' };

/** The command in its own process. */
export async function runDoctor(args: readonly string[], env: Env, cwd?: string): Promise<DoctorOutput> {
  const all = { ...NO_METADATA_SERVER, ...env };
  const { code, output } = await runToEnd('doctor', [...args, '--json'], all, cwd);
  const answer = JSON.parse(output) as { code: number; findings: CheckResult[] };
  expect(answer.code).toBe(code);
  return { code, findings: answer.findings };
}

/** What the command reports, without its process, which takes most of the time. */
export async function checkAll(env: Env, mailbox: string | null = null): Promise<DoctorOutput> {
  return await outputOf(runChecks(env, { localStack: 'none', mailbox }));
}

/** The same for `--deployment`. */
export async function checkDeployed(env: Env, folder: string): Promise<DoctorOutput> {
  const { signal } = new AbortController();
  return await outputOf(checkDeployment(folder, env, { signal, onPress: () => () => undefined }));
}

async function outputOf(checks: AsyncGenerator<CheckResult>): Promise<DoctorOutput> {
  for (const [name, value] of Object.entries(NO_METADATA_SERVER)) vi.stubEnv(name, value);
  const findings: CheckResult[] = [];
  for await (const finding of checks) findings.push(finding);
  return { code: exitCodeOf(findings), findings };
}

/** Expects exactly these failures and warnings, with their texts and remediations, and the matching exit code. */
export function expectProblems(
  { code, findings }: DoctorOutput,
  problems: Readonly<Record<string, readonly [state: CheckState, text: RegExp, remediation: RegExp | null]>>,
): void {
  const found = findings.filter(({ state }) => state === 'warn' || state === 'fail');
  expect(found).toEqual(
    Object.entries(problems).map(([name, [state, text, remediation]]) => ({
      name,
      state,
      text: expect.stringMatching(text),
      remediation: remediation === null ? null : expect.stringMatching(remediation),
    })),
  );
  const states = Object.values(problems).map(([state]) => state);
  expect(code).toBe(states.includes('fail') ? 2 : states.includes('warn') ? 1 : 0);
}
