/** Where the next listing of the history starts. */
import { AppError } from '../errors.ts';
import type { Queryable } from './database.ts';

export interface ScanStart {
  readonly historyId: string;
  /** False when it goes on where a listing ran out of time: its end can settle nothing. */
  readonly fromCursor: boolean;
  /** By the clock of the database. The listing begins then or later, which only makes a settle time longer. */
  readonly listedAt: Date;
}

/** Columns of a mailbox's row for `toScanStart`. */
export const SCAN_COLUMNS = `coalesce(scan_history_id, cursor_history_id) as history_id,
  scan_history_id is null as from_cursor,
  now() as listed_at`;

export interface ScanRow {
  readonly history_id: string;
  readonly from_cursor: boolean;
  readonly listed_at: Date;
}

export function toScanStart(row: ScanRow): ScanStart {
  return { historyId: row.history_id, fromCursor: row.from_cursor, listedAt: row.listed_at };
}

/** For every listing of a run but its first, which is told when it takes the lease. */
export async function findScanStart(db: Queryable, mailboxId: number): Promise<ScanStart> {
  const { rows } = await db.query<ScanRow>(
    `select ${SCAN_COLUMNS}
     from mailboxes
     where id = $1::integer`,
    [mailboxId],
  );
  const row = rows[0];
  if (row === undefined) throw new AppError('internal', `The mailbox ${mailboxId} has no row.`);
  return toScanStart(row);
}
