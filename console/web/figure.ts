/** The figures and sentences about completeness, whose times the page keeps current. */

/** A time in a text: `clock` "21:14", `ago` "3 min ago", `elapsed` "3 min". */
export interface TimePart {
  readonly as: 'clock' | 'ago' | 'elapsed';
  readonly at: string;
}
export type Text = readonly (string | TimePart)[];

export interface Figure {
  readonly value: Text;
  readonly note: Text;
  readonly tone?: 'critical' | 'active';
}

export interface Completeness {
  /** "All mail up to 08:12 is stored (checked 3 min ago)." */
  readonly sentence: Text;
  /** "Gmail listed 41 messages since 26 Nov: 40 stored, 1 waiting, none missing." Empty before the first check. */
  readonly comparison: Text;
  readonly waiting: Figure;
  readonly missing: Figure;
  readonly dead: Figure;
}
