/**
 * Emails: listed, searched, shown, and downloaded as they came.
 * What must stay true: nothing that a mail holds is ever run or loaded: its HTML is a document of its own without
 * rights, its files are downloads, whatever they call themselves.
 */

import type { AppContext } from '../../shared/control/app-context.ts';
import { AppError } from '../../shared/errors.ts';
import { type HttpAnswer, json } from '../../shared/http.ts';
import type { EmailPage, OpenedEmail } from '../../shared/schemas/emails.ts';
import { attachmentAs } from './content-disposition.ts';
import { openAttachment, openRaw, type StoredFile } from './download-queries.ts';
import { listEmails, readEmail, readHtml } from './email-queries.ts';
import { type Given, idOf, jsonBody, pageAsk, searchText } from './parameters.ts';
import type { Handle } from './routes.ts';

/**
 * No script, no form, no address but its own; styles and pictures only out of the mail itself; in no other site's frame.
 * A sandbox without allow-scripts blocks a refresh by `meta` too.
 */
const MAIL_POLICY =
  "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'";

/** Cloud Run hands on at most 32 MiB of an answer whose length is told beforehand; a longer one goes in chunks. */
const TOLD_BYTES = 30 * 1_048_576;

/** Newest first. `?q=` is for programs: the page searches by POST. */
export function showEmails(context: AppContext): Handle {
  return async ({ query }) => await found(context, query);
}

export function searchEmails(context: AppContext): Handle {
  return async ({ body }) => await found(context, jsonBody(body));
}

async function found({ db }: AppContext, given: Given): Promise<HttpAnswer> {
  const { rows, nextBefore } = await listEmails(db, pageAsk(given), searchText(given['q']));
  return json<EmailPage>(200, { emails: rows, next_before: nextBefore });
}

export function showEmail({ db }: AppContext): Handle {
  return async (_request, [id = '']) => {
    const email = await readEmail(db, idOf(id));
    if (email === null) throw new AppError('not_found', 'There is no email of this id.');
    return json<OpenedEmail>(200, email);
  };
}

export function showHtml({ db }: AppContext): Handle {
  return async (_request, [id = '']) => {
    const html = await readHtml(db, idOf(id));
    if (html === null) throw new AppError('not_found', 'There is no email of this id, or it has no HTML.');
    return {
      status: 200,
      headers: {
        'cache-control': 'no-store',
        'content-security-policy': MAIL_POLICY,
        'content-type': 'text/html; charset=utf-8',
      },
      body: html,
    };
  };
}

export function downloadRaw({ db }: AppContext): Handle {
  return async (_request, [id = '']) => {
    const file = await openRaw(db, idOf(id));
    if (file === null) throw new AppError('not_found', 'There is no email of this id.');
    return download(file, 'message/rfc822', file.filename);
  };
}

export function downloadAttachment({ db }: AppContext): Handle {
  return async (_request, [id = '']) => {
    const file = await openAttachment(db, idOf(id));
    if (file === null) throw new AppError('not_found', 'There is no attachment of this id.');
    // Never the type that the mail declares: the browser might show it.
    return download(file, 'application/octet-stream', `attachment-${idOf(id)}.bin`);
  };
}

function download(file: StoredFile, type: string, otherwise: string): HttpAnswer {
  const length = file.sizeBytes <= TOLD_BYTES ? { 'content-length': String(file.sizeBytes) } : {};
  return {
    status: 200,
    headers: {
      'cache-control': 'no-store',
      'content-disposition': attachmentAs(file.filename, otherwise),
      'content-security-policy': 'sandbox',
      'content-type': type,
      ...length,
    },
    body: file.bytes,
  };
}
