/**
 * A section that lists rows, the newest first, with a button that shows older ones.
 * Invariant: a refresh reads every row that is shown, so that no row shows outdated data.
 */
import type { OverviewJson } from '../../shared/schemas/overview.ts';
import { byId } from './element.ts';
import { Section } from './section.ts';

/** Added by each press of the button. */
const MORE_ROWS = 50;
/** The largest `limit` that the server accepts. */
const MAX_PAGE_ROWS = 100;

export interface RowPage<Row> {
  readonly rows: readonly Row[];
  /** `before` of the next page; null on the last page. */
  readonly nextBeforeId: number | null;
}

export interface PagedSectionOptions<Row> {
  /** The id of the section. Its button has the id `NAME-older`, and its heading `NAME-title`. */
  readonly name: string;
  readonly initialRowCount: number;
  readonly dependsOn: (overview: OverviewJson) => unknown;
  /** @param query as in `limit=12&before=99` */
  readonly read: (query: string) => Promise<RowPage<Row>>;
  readonly show: (rows: readonly Row[]) => void;
}

export function wirePagedSection<Row>(options: PagedSectionOptions<Row>): Section {
  const { dependsOn, initialRowCount, name, read, show } = options;
  const older = byId<HTMLButtonElement>(`${name}-older`);
  let rowCount = initialRowCount;
  const load = async () => {
    const requestedCount = rowCount;
    const rows: Row[] = [];
    let before: number | null = null;
    do {
      const limit = Math.min(MAX_PAGE_ROWS, requestedCount - rows.length);
      const page: RowPage<Row> = await read(`limit=${limit}${before === null ? '' : `&before=${before}`}`);
      rows.push(...page.rows);
      before = page.nextBeforeId;
    } while (before !== null && rows.length < requestedCount);
    // The operator has asked for more rows in the meantime; a newer load shows them.
    if (requestedCount !== rowCount) return;
    show(rows);
    const hadFocus = document.activeElement === older;
    older.hidden = before === null;
    if (older.hidden && hadFocus) byId(`${name}-title`).focus();
  };
  const section = new Section(byId(name), dependsOn, load);
  older.addEventListener('click', () => {
    rowCount += MORE_ROWS;
    void section.reload();
  });
  return section;
}
