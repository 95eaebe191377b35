/**
 * A part of the page with data of its own. It loads when what it depends on has changed, says when it cannot, and
 * tries again with the next overview.
 */
import type { OverviewJson } from '../../shared/schemas/overview.ts';
import { element, fill } from './element.ts';
import { toProblem } from './notices.ts';
import { withInlineCode } from './inline-code.ts';

export class Section {
  readonly #trouble: Element;
  readonly #dependsOn: (overview: OverviewJson) => unknown;
  readonly #load: () => Promise<void>;
  #loadedFor: string | null = null;
  #isLoading = false;

  /**
   * @param root holds an element of the class `trouble`
   * @param dependsOn what of the overview tells that the data has changed
   */
  constructor(root: Element, dependsOn: (overview: OverviewJson) => unknown, load: () => Promise<void>) {
    const trouble = root.querySelector('.trouble');
    if (trouble === null) throw new Error(`#${root.id} has no .trouble.`);
    this.#trouble = trouble;
    this.#dependsOn = dependsOn;
    this.#load = load;
  }

  async update(overview: OverviewJson): Promise<void> {
    const wanted = JSON.stringify(this.#dependsOn(overview));
    if (wanted === this.#loadedFor || this.#isLoading) return;
    if (await this.reload()) this.#loadedFor = wanted;
  }

  /** @returns false when it could not; then it has said so */
  async reload(): Promise<boolean> {
    this.#isLoading = true;
    try {
      await this.#load();
      fill(this.#trouble);
      return true;
    } catch (error) {
      // Also what a person asked for is tried again.
      this.#loadedFor = null;
      const { remediation, detail, title } = toProblem(error);
      fill(
        this.#trouble,
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
