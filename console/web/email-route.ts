/**
 * The URL of the page: `/` shows the lists, `/emails/ID` one email. Links to an email are ordinary links, so that a browser can
 * open them in a new tab; an ordinary click shows the email without loading the page again.
 * Invariant: a URL has the id of an email and nothing of its content.
 */

const EMAIL_PATH = /^\/emails\/([1-9]\d{0,14})$/;

export function emailPath(id: number): string {
  return `/emails/${id}`;
}

/** @returns null when the path is not that of an email */
export function emailIdOf(path: string): number | null {
  const id = EMAIL_PATH.exec(path)?.[1];
  return id === undefined ? null : Number(id);
}

export interface RouteListener {
  /** @param id null: the lists */
  readonly onRoute: (id: number | null) => void;
}

/** Calls the listener at each change of the URL, and once now. */
export function wireEmailRoute({ onRoute }: RouteListener): void {
  let current: number | null | undefined;
  /** The browser goes back some time after the call. A second call would leave the page. */
  let isGoingBack = false;
  const go = () => {
    isGoingBack = false;
    const id = emailIdOf(location.pathname);
    if (id === current) return;
    current = id;
    onRoute(id);
  };
  document.addEventListener('click', (event) => {
    const link = plainLink(event);
    if (link === null) return;
    const isToEmail = emailIdOf(link.pathname) !== null;
    const isToList = link.pathname === '/' && current !== null;
    if (!isToEmail && !isToList) return;
    event.preventDefault();
    if (isToList) return backToList();
    // With the search of the list, for a reload.
    history.pushState({ ...history.state, isFromList: current === null }, '', link.pathname);
    go();
  });
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && !event.defaultPrevented && !event.isComposing) backToList();
  });
  window.addEventListener('popstate', go);
  /** By the history, so that the forward button still leads to the email. After a visit by URL there is no list to go back to. */
  const backToList = () => {
    if (current === null || isGoingBack) return;
    if (history.state?.isFromList === true) {
      isGoingBack = true;
      history.back();
    } else {
      history.pushState(null, '', '/');
      go();
    }
  };
  go();
}

/** @returns null unless the click follows a link of this page in this tab */
function plainLink(event: MouseEvent): HTMLAnchorElement | null {
  const isPlain = event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
  const link = event.target instanceof Element ? event.target.closest<HTMLAnchorElement>('a[href]') : null;
  if (!isPlain || event.defaultPrevented || link === null) return null;
  const isOwn = link.origin === location.origin && link.target === '' && !link.hasAttribute('download');
  // A link with a fragment leads to a place in the page.
  return isOwn && link.hash === '' ? link : null;
}
