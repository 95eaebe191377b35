/**
 * Routes that list, search, show and download emails.
 * Invariant: the browser never runs or loads anything from an email. The HTML is served as a sandboxed document. An attachment
 * is a download, whatever type it declares, unless its bytes are a picture or a PDF. The browser's own viewer may run scripts of
 * a PDF, apart from the page and without the network. A response with content of emails is recorded before it is sent.
 */

import type { AppContext } from '../../shared/control/app-context.ts';
import { AppError } from '../../shared/errors.ts';
import { type HttpRequest, type HttpResponse, json } from '../../shared/http.ts';
import type { Log } from '../../shared/log.ts';
import type { EmailPage, OpenedEmail } from '../../shared/schemas/emails.ts';
import { attachmentDisposition, inlineDisposition } from './content-disposition.ts';
import { openAttachment, openFiles, openRaw, type StoredFile } from './download-queries.ts';
import { emailListRequest } from './email-list-parameters.ts';
import { listEmails, readEmail, readHtml } from './email-queries.ts';
import { isPreviewType } from './preview-types.ts';
import { readProcessing } from './processing-queries.ts';
import { recordAccess, recordList } from './record-access.ts';
import type { Handler } from './request-parameters.ts';
import { idParameter, jsonBody, type RequestParameters } from './request-parameters.ts';

/**
 * Forbids scripts, forms, and framing by other sites. Styles and images must be inside the email itself. A sandbox without
 * allow-scripts also blocks `<meta http-equiv=refresh>`.
 */
const EMAIL_HTML_POLICY =
  "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'";

/** Chromium and Firefox show a PDF in their own viewer, which this policy does not affect. An image needs nothing. */
const PREVIEW_POLICY = "sandbox; default-src 'none'; frame-ancestors 'self'";

/** Cloud Run limits a response with Content-Length to 32 MiB. A longer file is sent with chunked encoding instead. */
const MAX_CONTENT_LENGTH_BYTES = 30 * 1_048_576;

/** Lists emails, the last received first. `?q=` is for programs; the page searches by POST. */
export function showEmails(context: AppContext): Handler {
  return async (request, _params, log) => await emailPage(context, request, log, request.query);
}

export function searchEmails(context: AppContext): Handler {
  return async (request, _params, log) => await emailPage(context, request, log, jsonBody(request.body));
}

async function emailPage(
  { db }: AppContext,
  request: HttpRequest,
  log: Log,
  parameters: RequestParameters,
): Promise<HttpResponse> {
  const listRequest = emailListRequest(parameters);
  const { nextBefore, rows } = await listEmails(db, listRequest);
  recordList(request, log, { emailIds: rows.map(({ id }) => id), isSearch: listRequest.text !== null });
  return json<EmailPage>(200, { emails: rows, next_before: nextBefore });
}

export function showEmail(context: AppContext): Handler {
  return async (request, [id = ''], log) => {
    const emailId = idParameter(id);
    const [email, processing] = await Promise.all([
      readEmail(context.db, emailId),
      readProcessing(context.db, emailId),
    ]);
    if (email === null) throw new AppError('not_found', 'There is no email with this id.');
    await recordAccess(context, request, log, { action: 'open', emailId: email.id });
    return json<OpenedEmail>(200, { ...email, processing });
  };
}

export function showHtml(context: AppContext): Handler {
  return async (request, [id = ''], log) => {
    const emailId = idParameter(id);
    const html = await readHtml(context, emailId);
    if (html === null)
      throw new AppError('not_found', 'There is no email with this id, or it has no HTML body.');
    await recordAccess(context, request, log, { action: 'html', emailId });
    return {
      status: 200,
      headers: {
        'cache-control': 'no-store',
        'content-security-policy': EMAIL_HTML_POLICY,
        'content-type': 'text/html; charset=utf-8',
      },
      body: html,
    };
  };
}

export function downloadRaw(context: AppContext): Handler {
  return async (request, [id = ''], log) => {
    const emailId = idParameter(id);
    const file = await openRaw(context, emailId);
    if (file === null) throw new AppError('not_found', 'There is no email with this id.');
    await recordAccess(context, request, log, { action: 'raw', emailId });
    return download(file, 'message/rfc822', file.filename);
  };
}

export function downloadAttachment(context: AppContext): Handler {
  return async (request, [id = ''], log) => {
    const attachmentId = idParameter(id);
    const file = await openAttachment(context, attachmentId);
    if (file === null) throw new AppError('not_found', 'There is no attachment with this id.');
    await recordAccess(context, request, log, { action: 'attachment', emailId: file.emailId, attachmentId });
    // Not the type that the email declares, because a browser might open it.
    return download(file, 'application/octet-stream', `attachment-${attachmentId}.bin`);
  };
}

/** Shows a picture or a PDF, by the type that was detected from its bytes. */
export function previewAttachment(context: AppContext): Handler {
  return async (request, [id = ''], log) => {
    const attachmentId = idParameter(id);
    const file = await openAttachment(context, attachmentId);
    if (file === null || !isPreviewType(file.detectedType))
      throw new AppError('not_found', 'There is no attachment with this id that can be shown.');
    await recordAccess(context, request, log, { action: 'preview', emailId: file.emailId, attachmentId });
    return {
      status: 200,
      headers: {
        ...fileHeaders(file),
        'content-disposition': inlineDisposition(file.filename, `attachment-${attachmentId}`),
        'content-security-policy': PREVIEW_POLICY,
        'content-type': file.detectedType,
      },
      body: file.bytes,
    };
  };
}

export function downloadFiles(context: AppContext): Handler {
  return async (request, [id = ''], log) => {
    const emailId = idParameter(id);
    const body = await openFiles(context, emailId);
    if (body === null)
      throw new AppError('not_found', 'There is no email with this id, or it has no attachment.');
    await recordAccess(context, request, log, { action: 'files', emailId });
    return {
      status: 200,
      headers: {
        'cache-control': 'no-store',
        'content-disposition': attachmentDisposition(`email-${emailId}.zip`, 'email.zip'),
        'content-security-policy': 'sandbox',
        'content-type': 'application/zip',
      },
      body,
    };
  };
}

function download(file: StoredFile, type: string, fallbackName: string): HttpResponse {
  return {
    status: 200,
    headers: {
      ...fileHeaders(file),
      'content-disposition': attachmentDisposition(file.filename, fallbackName),
      'content-security-policy': 'sandbox',
      'content-type': type,
    },
    body: file.bytes,
  };
}

function fileHeaders({ sizeBytes }: StoredFile): Record<string, string> {
  const length = sizeBytes <= MAX_CONTENT_LENGTH_BYTES ? { 'content-length': String(sizeBytes) } : {};
  return { 'cache-control': 'no-store', ...length };
}
