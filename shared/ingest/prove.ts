/**
 * Completeness, proven and not assumed: at a low rate Gmail's own listing of a window is compared with the ledger.
 * Part of the tending at the end of a run, when nothing else is due.
 */
import { closeEndedIncidents } from '../db/incidents.ts';
import { judgeProof, planProof } from '../db/proof.ts';
import type { Run } from './run.ts';

const EVERY_SECONDS = 15 * 60;
/** Two days: longer than any outage of ours that nobody notices; one page of 500 for most mailboxes, 5 units. */
const WINDOW_SECONDS = 2 * 86_400;

/** Plans the proof of everything since the first start, for an operator who asks for it. */
export async function planWholeProof(run: Run): Promise<void> {
  await planProof(run.db, run.fence, { windowSeconds: null, everySeconds: 0 });
}

/** @returns true when a proof is to be listed now. A push has no time for it: the next poll does it. */
export async function planDueProof(run: Run): Promise<boolean> {
  if (run.trigger === 'push') return false;
  return await planProof(run.db, run.fence, { windowSeconds: WINDOW_SECONDS, everySeconds: EVERY_SECONDS });
}

/** Says what the finished proofs have shown, and closes the incidents that have ended. */
export async function judge(run: Run): Promise<void> {
  for (;;) {
    const verdict = await judgeProof(run.db, run.fence, run.config.settleSeconds);
    if (verdict === null) break;
    const { gmailCount, missingCount } = verdict;
    const ledgerCount = gmailCount - missingCount;
    run.log.write(
      missingCount === 0 ? 'INFO' : 'ERROR',
      'proof_judged',
      `Gmail ${gmailCount}, ledger ${ledgerCount}, missing ${missingCount}`,
      { gmail_count: gmailCount, ledger_count: ledgerCount, missing_count: missingCount },
    );
  }
  for (const incident of await closeEndedIncidents(run.db, run.fence.mailboxId)) {
    run.log.info('incident_closed', 'An incident has ended: everything found is fetched', {
      incident_id: incident.id,
      incident_kind: incident.kind,
    });
  }
}
