/** The parts that an HTML body shows: those it references by `cid:` or by their Content-Location. */

const CID = /cid:([^"'\s<>)]{1,500})/gi;
const ADDRESS = /(?:src|href|background)\s{0,9}=\s{0,9}["']?([^"'\s<>]{1,2000})/gi;

export class InlineReferences {
  readonly #contentIds = new Set<string>();
  readonly #locations = new Set<string>();

  constructor(html: string | null) {
    if (html === null) return;
    for (const match of html.matchAll(CID)) this.#contentIds.add(normalize(match[1] ?? ''));
    for (const match of html.matchAll(ADDRESS)) this.#locations.add(normalize(match[1] ?? ''));
  }

  shows(contentId: string | null, contentLocation: string | null): boolean {
    return (
      (contentId !== null && this.#contentIds.has(normalize(contentId))) ||
      (contentLocation !== null && this.#locations.has(normalize(contentLocation)))
    );
  }
}

/** Senders may escape only one of the two, and use different case. */
function normalize(reference: string): string {
  const text = reference.replaceAll('&amp;', '&').toLowerCase();
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
