/**
 * A section of records, the newest first, with a button for older ones. What must stay true: a refresh reads all that
 * is shown, so that no old page says what is no longer so.
 */
import type { OverviewJson } from '../../shared/schemas/overview.ts';
import { byId } from './element.ts';
import { Section } from './section.ts';

/** Rows more at each press. */
const STEP = 50;
/** The server gives no more at once. */
const MOST_AT_ONCE = 100;

export interface RowPage<Row> {
  readonly rows: readonly Row[];
  readonly nextBeforeId: number | null;
}

export interface PagedSectionOptions<Row> {
  /** Of the section, whose button is `NAME-older`. */
  readonly name: string;
  readonly first: number;
  readonly dependsOn: (overview: OverviewJson) => unknown;
  /** @param query as in `limit=12&before=99` */
  readonly read: (query: string) => Promise<RowPage<Row>>;
  readonly show: (rows: readonly Row[]) => void;
}

export function wirePagedSection<Row>(options: PagedSectionOptions<Row>): Section {
  const { dependsOn, first, name, read, show } = options;
  const older = byId<HTMLButtonElement>(`${name}-older`);
  let wanted = first;
  const load = async () => {
    const asked = wanted;
    const rows: Row[] = [];
    let before: number | null = null;
    do {
      const limit = Math.min(MOST_AT_ONCE, asked - rows.length);
      const page: RowPage<Row> = await read(`limit=${limit}${before === null ? '' : `&before=${before}`}`);
      rows.push(...page.rows);
      before = page.nextBeforeId;
    } while (before !== null && rows.length < asked);
    // More were asked for meanwhile: they have their own answer.
    if (asked !== wanted) return;
    show(rows);
    const hadFocus = document.activeElement === older;
    older.hidden = before === null;
    if (older.hidden && hadFocus) byId(`${name}-title`).focus();
  };
  const section = new Section(byId(name), dependsOn, load);
  older.addEventListener('click', () => {
    wanted += STEP;
    void section.reload();
  });
  return section;
}
