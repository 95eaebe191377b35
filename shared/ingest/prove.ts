/**
 * Completeness, proven and not assumed: at a low rate Gmail's own listing of a window is compared with the ledger.
 * Planned and judged by every run but a push's; listed like every other listing.
 */
import type { Queryable } from '../db/database.ts';
import { closeListedGaps } from '../db/incidents.ts';
import { judgeProof, planProof, type Verdict } from '../db/proof.ts';
import type { Run } from './run.ts';

export const PROOF_EVERY_SECONDS = 15 * 60;
/** Two days: one page of 500 for most mailboxes, 5 units. After a longer silence it reaches back to the last proof. */
const WINDOW_SECONDS = 2 * 86_400;

/** Plans the proof of everything since the first start, for an operator who asks for it. May run twice. */
export async function planWholeProof(db: Queryable, mailboxId: number): Promise<void> {
  await planProof(db, mailboxId, null, { windowSeconds: null, everySeconds: 0 });
}

/** @returns true when a proof is to be listed now. A push has no time for it: the next poll does it. */
export async function planDueProof(run: Run): Promise<boolean> {
  if (run.trigger === 'push') return false;
  const plan = { windowSeconds: WINDOW_SECONDS, everySeconds: PROOF_EVERY_SECONDS };
  return await planProof(run.db, run.fence.mailboxId, run.fence.token, plan);
}

/** Says what the finished proofs have shown, and closes the incidents that have ended. */
export async function judge(run: Run): Promise<void> {
  for (;;) {
    const verdict = await judgeProof(run.db, run.fence, run.config.settleSeconds);
    if (verdict === null) break;
    logVerdict(run, verdict);
  }
  for (const incident of await closeListedGaps(run.db, run.fence.mailboxId)) {
    run.log.info('incident_closed', 'The gap is listed and everything found in it is fetched', {
      incident_id: incident.id,
      incident_kind: incident.kind,
    });
  }
}

function logVerdict({ log }: Run, { gmailCount, missingCount, since, incidentId }: Verdict): void {
  const ledgerCount = gmailCount - missingCount;
  log.write(
    missingCount === 0 ? 'INFO' : 'ERROR',
    'proof_judged',
    `Gmail ${gmailCount}, ledger ${ledgerCount}, missing ${missingCount}`,
    {
      gmail_count: gmailCount,
      ledger_count: ledgerCount,
      missing_count: missingCount,
      since: since.toISOString(),
      incident_id: incidentId,
    },
  );
}
