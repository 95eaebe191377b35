/**
 * The view of one email, in place of the lists. The state of the monitor remains above it in short form. The lists stay in the
 * document, so that going back restores the scroll position and the focus.
 */

import type { OpenedEmailJson } from '../../shared/schemas/emails.ts';
import { CONSOLE_API, get } from './api.ts';
import { button, byId, element, fill } from './element.ts';
import { emailContent } from './email-content.ts';
import { emailHistory } from './email-history.ts';
import { emailProcessing } from './email-processing.ts';
import { emailReprocess } from './email-reprocess.ts';
import { emailPath, wireEmailRoute } from './email-route.ts';
import { subjectText } from './email-row.ts';
import { withInlineCode } from './inline-code.ts';
import { toProblem } from './notices.ts';
import { showSubjectInTab } from './tab-icon.ts';

/** @param onLists called when the lists are shown again. @returns whether the lists have been shown */
export function wireEmailView(onLists: () => void): () => boolean {
  let hasShownLists = false;
  let openId: number | null = null;
  let listScrollY = 0;
  window.addEventListener(
    'scroll',
    () => {
      if (openId === null) listScrollY = window.scrollY;
    },
    { passive: true },
  );
  const showLists = () => {
    const closedId = openId;
    openId = null;
    delete document.documentElement.dataset['view'];
    byId('email').hidden = true;
    // Removes the frames too.
    fill(byId('email-body'));
    showSubjectInTab(null);
    hasShownLists = true;
    if (closedId === null) return;
    const opener = document.querySelector<HTMLElement>(`main .open[href="${emailPath(closedId)}"]`);
    (opener ?? byId('emails-title')).focus({ preventScroll: true });
    window.scrollTo(0, listScrollY);
    onLists();
  };
  const showEmail = (id: number) => {
    openId = id;
    document.documentElement.dataset['view'] = 'email';
    byId('email').hidden = false;
    window.scrollTo(0, 0);
    void load(id, () => openId === id);
  };
  wireEmailRoute({ onRoute: (id) => (id === null ? showLists() : showEmail(id)) });
  return () => hasShownLists;
}

/** @param isOpen false when the operator has left the email in the meantime */
async function load(id: number, isOpen: () => boolean): Promise<void> {
  const body = byId('email-body');
  showHeading('Loading the email…');
  fill(body);
  try {
    const email = await get<OpenedEmailJson>(`${CONSOLE_API}/emails/${id}`);
    if (isOpen()) render(email, isOpen);
  } catch (error) {
    if (!isOpen()) return;
    const { code, detail, remediation, title } = toProblem(error);
    if (code === 'not_found') {
      showHeading(`There is no email ${id}`);
      fill(body, element('p', {}, 'It was erased, or the address is wrong.'));
      return;
    }
    showHeading(title);
    fill(
      body,
      element('p', {}, ...withInlineCode(detail)),
      element('p', { class: 'remediation' }, ...withInlineCode(remediation)),
      button('Try again', () => void load(id, isOpen)),
    );
  }
}

/** The focus leaves the heading first, because a screen reader reads a heading when it gets the focus. */
function showHeading(content: string | Node): void {
  const heading = byId('email-subject');
  fill(heading, content);
  if (document.activeElement === heading) heading.blur();
  heading.focus({ preventScroll: true });
  showSubjectInTab(heading.textContent);
}

function render(email: OpenedEmailJson, isOpen: () => boolean): void {
  const content = element('div', { class: 'email-content' }, ...emailContent(email));
  const history = emailHistory(email);
  const again = async () => {
    const changed = await get<OpenedEmailJson>(`${CONSOLE_API}/emails/${email.id}`);
    if (!isOpen()) return;
    history.show(changed);
    processing.show(changed);
    return changed;
  };
  const processing = emailProcessing(email, async () => void (await again()));
  const reprocess = emailReprocess(email, async () => {
    const changed = await again();
    if (changed === undefined) return;
    fill(byId('email-subject'), element('bdi', {}, subjectText(changed)));
    showSubjectInTab(subjectText(changed));
    fill(content, ...emailContent(changed));
  });
  showHeading(element('bdi', {}, subjectText(email)));
  fill(
    byId('email-body'),
    content,
    element('div', { class: 'email-aside' }, processing.root, history.root, reprocess),
  );
}
