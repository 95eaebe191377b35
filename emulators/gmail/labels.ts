// The labels of a mailbox: Gmail's own, whose id is their name, and the user's, whose id is `Label_N`.
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

  /** The id that the next user label gets: never one that a deleted label had. */
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
   * The label that a search means by `label:x`: id or name, without regard to case; the search box writes a
   * space or a slash of the name as a hyphen.
   */
  find(searched: string): Label | undefined {
    const wanted = searchForm(searched);
    return this.list().find((label) => searchForm(label.id) === wanted || searchForm(label.name) === wanted);
  }
}

function searchForm(name: string): string {
  return name.toLowerCase().replace(/[\s/]+/g, '-');
}
