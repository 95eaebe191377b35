/** Incidents with what each means, for a person who meets its kind for the first time. */
import type { Queryable } from '../db/database.ts';
import type { IncidentKind } from '../db/incidents.ts';
import type { Incident } from '../schemas/records.ts';
import { ABOVE_ALL, type PageAsk, type PageOf, toPage } from './page-of.ts';

const MEANINGS: Readonly<Record<IncidentKind, { readonly explanation: string; readonly remediation: string }>> = {
  history_expired: {
    explanation:
      'Gmail no longer kept the history since the last cycle, so the mail of that time is listed by date and fetched.',
    remediation: 'Nothing to do: it closes when all of it is fetched. After a long stop it is expected; if it comes back at once, look at the Google Workspace status page.',
  },
  missing_found: {
    explanation:
      "A comparison with Gmail's own list found messages that the history had never shown; they were taken up at once and are fetched.",
    remediation: 'Wait for the next comparison, or POST poll-now?reconcile=all to compare everything now: it closes when nothing is missing. If messages are dead, retry them.',
  },
};

/** The newest first. */
export async function listIncidents(db: Queryable, ask: PageAsk): Promise<PageOf<Incident>> {
  const { rows } = await db.query<Omit<Incident, 'explanation' | 'remediation'>>(
    `select id, kind, opened_at, closed_at, detail
     from incidents
     where id < $1::bigint
     order by id desc
     limit $2::integer`,
    [ask.before ?? ABOVE_ALL, ask.limit + 1],
  );
  const page = toPage(rows, ask.limit);
  return { ...page, rows: page.rows.map((row) => ({ ...row, ...meaningOf(row.kind) })) };
}

/** A row of newer code may have a kind that this one does not know. */
function meaningOf(kind: string): Pick<Incident, 'explanation' | 'remediation'> {
  return Object.hasOwn(MEANINGS, kind) ? MEANINGS[kind as IncidentKind] : { explanation: null, remediation: null };
}
