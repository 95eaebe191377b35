/** Shared by the tests of the doctor: runs it with `--json`, and asserts that it reports exactly the expected problems. */
import { expect } from 'vitest';
import type { CheckResult, CheckState } from '../../commands/doctor/check-result.ts';
import { runToEnd } from '../helpers/command-process.ts';
import type { TestSystem } from '../helpers/test-system.ts';

export interface DoctorOutput {
  readonly code: number | null;
  readonly findings: readonly CheckResult[];
}

export async function runDoctor(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  cwd?: string,
): Promise<DoctorOutput> {
  // Otherwise Google's library looks for a metadata server, which takes seconds to time out.
  const all = { METADATA_SERVER_DETECTION: 'none', ...env };
  const { code, output } = await runToEnd('doctor', [...args, '--json'], all, cwd);
  const answer = JSON.parse(output) as { code: number; findings: CheckResult[] };
  expect(answer.code).toBe(code);
  return { code, findings: answer.findings };
}

/** Makes the mailbox look as if a push had just arrived and a reconciliation had just found the one stored order. */
export async function settleMailbox(system: TestSystem): Promise<void> {
  await system.db.query(
    'update mailboxes set pushed_at = now(), hint_at = now(), hint_history_id = cursor_history_id',
  );
  await system.db.query('delete from reconciliations');
  await system.db.query(
    `insert into reconciliations (mailbox_id, window_begins_at, is_full, query, listed_at, evaluated_at, gmail_count,
       stored_count, pending_count, failed_count, ignored_count, gone_count, missing_count)
     select id, created_at, false, 'q', now(), now(), 1, 1, 0, 0, 0, 0, 0
     from mailboxes`,
  );
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
