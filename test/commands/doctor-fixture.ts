/** What the tests of the doctor share: its findings as a program reads them, and "this link alone is at fault". */
import { expect } from 'vitest';
import type { Finding, FindingState } from '../../commands/doctor/finding.ts';
import { runToEnd } from '../helpers/command-process.ts';
import type { TestSystem } from '../helpers/test-system.ts';

export interface Examined {
  readonly code: number | null;
  readonly findings: readonly Finding[];
}

export async function examineJson(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  cwd?: string,
): Promise<Examined> {
  // Google's library looks for a metadata server otherwise, which takes seconds to be missed.
  const all = { METADATA_SERVER_DETECTION: 'none', ...env };
  const { code, output } = await runToEnd('doctor', [...args, '--json'], all, cwd);
  const answer = JSON.parse(output) as { code: number; findings: Finding[] };
  expect(answer.code).toBe(code);
  return { code, findings: answer.findings };
}

/** A push has just arrived, and Gmail was compared with the one stored order. */
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

/** Each link that is not well, with what is said of it and its remediation. Everything else is well, or says that it cannot be seen. */
export function expectTrouble(
  { code, findings }: Examined,
  trouble: Readonly<Record<string, readonly [state: FindingState, text: RegExp, remediation: RegExp | null]>>,
): void {
  const found = findings.filter(({ state }) => state === 'warning' || state === 'fault');
  expect(found).toEqual(
    Object.entries(trouble).map(([name, [state, text, remediation]]) => ({
      name,
      state,
      text: expect.stringMatching(text),
      remediation: remediation === null ? null : expect.stringMatching(remediation),
    })),
  );
  const states = Object.values(trouble).map(([state]) => state);
  expect(code).toBe(states.includes('fault') ? 2 : states.includes('warning') ? 1 : 0);
}
