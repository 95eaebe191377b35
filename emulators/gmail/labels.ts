// The labels of a mailbox. The id of a system label is its name; the id of a user label is `Label_N`.
// https://developers.google.com/workspace/gmail/api/guides/labels

const systemLabelIds = [
  'CHAT',
  'SENT',
  'INBOX',
  'IMPORTANT',
  'TRASH',
  'DRAFT',
  'SPAM',
  'CATEGORY_FORUMS',
  'CATEGORY_UPDATES',
  'CATEGORY_PERSONAL',
  'CATEGORY_PROMOTIONS',
  'CATEGORY_SOCIAL',
  'STARRED',
  'UNREAD',
];

export interface Label {
  id: string;
  name: string;
  type: 'system' | 'user';
}

export class Labels {
  readonly #byId = new Map<string, Label>();
  #lastNumber = 0;

  constructor() {
    for (const id of systemLabelIds) this.#byId.set(id, { id, name: id, type: 'system' });
  }

  add(id: string, name: string): void {
    this.#byId.set(id, { id, name, type: 'user' });
    this.#lastNumber = Math.max(this.#lastNumber, Number(/^Label_(\d+)$/.exec(id)?.[1] ?? 0));
  }

  remove(id: string): void {
    this.#byId.delete(id);
  }

  /** The id for the next user label. Ids of deleted labels are never reused. */
  nextId(): string {
    return `Label_${this.#lastNumber + 1}`;
  }

  get(id: string): Label | undefined {
    return this.#byId.get(id);
  }

  list(): Label[] {
    return [...this.#byId.values()];
  }

  /**
   * Finds the label that `label:x` refers to in a search, by id or name, ignoring case. A hyphen in the search
   * matches a space or a slash in the name.
   */
  find(searched: string): Label | undefined {
    const wanted = searchForm(searched);
    return this.list().find((label) => searchForm(label.id) === wanted || searchForm(label.name) === wanted);
  }
}

function searchForm(name: string): string {
  return name.toLowerCase().replace(/[\s/]+/g, '-');
}
