/**
 * A part of the page that loads its own data. It loads when the part of the overview that it depends on has changed. It shows
 * an error when loading fails, and tries again with the next overview.
 */
import type { OverviewJson } from '../../shared/schemas/overview.ts';
import { element, fill } from './element.ts';
import { withInlineCode } from './inline-code.ts';
import { toProblem } from './notices.ts';

export class Section {
  readonly #error: Element;
  readonly #dependsOn: (overview: OverviewJson) => unknown;
  readonly #load: () => Promise<void>;
  #loadedFor: string | null = null;
  #isLoading = false;
  /** An overview came while the section loaded. What it shows may be older or newer than that overview. */
  #hasMissed = false;

  /**
   * @param root contains an element with the class `section-error`
   * @param dependsOn the part of the overview that changes when the data of the section changes
   */
  constructor(root: Element, dependsOn: (overview: OverviewJson) => unknown, load: () => Promise<void>) {
    const error = root.querySelector('.section-error');
    if (error === null) throw new Error(`#${root.id} has no .section-error.`);
    this.#error = error;
    this.#dependsOn = dependsOn;
    this.#load = load;
  }

  async update(overview: OverviewJson): Promise<void> {
    const wanted = JSON.stringify(this.#dependsOn(overview));
    if (this.#isLoading) {
      this.#hasMissed = true;
      return;
    }
    if (wanted === this.#loadedFor) return;
    if ((await this.reload()) && !this.#hasMissed) this.#loadedFor = wanted;
  }

  /** @returns false when loading failed; the section then shows the error */
  async reload(): Promise<boolean> {
    if (!this.#isLoading) this.#hasMissed = false;
    this.#isLoading = true;
    try {
      await this.#load();
      fill(this.#error);
      // The next overview loads again: it may be equal to the one before the missed one.
      if (this.#hasMissed) this.#loadedFor = null;
      return true;
    } catch (error) {
      // The next overview loads again, also when the operator asked for this load.
      this.#loadedFor = null;
      const { remediation, detail, title } = toProblem(error);
      fill(
        this.#error,
        element('p', { class: 'error-title' }, title),
        element('p', {}, ...withInlineCode(detail)),
        element('p', { class: 'remediation' }, ...withInlineCode(remediation)),
      );
      return false;
    } finally {
      this.#isLoading = false;
    }
  }
}
