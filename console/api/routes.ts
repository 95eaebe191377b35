/**
 * The routes below /api/console/, which serve the data of the operator's page.
 * GET: overview, charts, mailboxes, messages, messages/counts, dead-emails, runs, incidents, emails, emails/ID{,/html,/raw,/files.zip},
 * attachments/ID{,/preview}.
 * POST: emails/search, emails/ID/{reprocess,unprocess}, messages/search, messages/retry, messages/LEDGER_ID/{retry,give-up},
 * mailboxes/{add,pause,resume,remove}, consumers/NAME/requeue-dead, consumers/NAME/emails/ID/requeue. A search uses POST because words from emails must not appear in
 * a URL.
 */

import type { AppContext } from '../../shared/control/app-context.ts';
import { assertParameters, type HttpRequest, type Route } from '../../shared/http.ts';
import type { Handler } from './request-parameters.ts';

/** Loads the module of the handler at its first request. */
type LoadHandler = (context: AppContext) => Promise<Handler>;

const READ = ['GET', 'HEAD'] as const;
const WRITE = ['POST'] as const;

const overview = async () => await import('./overview-routes.ts');
const emails = async () => await import('./email-routes.ts');
const changes = async () => await import('./email-change-routes.ts');
const messages = async () => await import('./message-routes.ts');
const processing = async () => await import('./processing-routes.ts');
const mailboxes = async () => await import('./mailbox-routes.ts');
const records = async () => await import('./record-routes.ts');

const PAGE = ['before', 'limit'] as const;
const EMAIL_LIST = ['q', 'from', 'to', 'mailbox', 'processed', 'attachments', 'defects', ...PAGE] as const;
const NEW_MAILBOX = ['email_address', 'access', 'label', 'initial_query'] as const;

/** @param parameters of the query of GET, or of the body of POST. Without them, none are checked */
type Entry = readonly [
  pattern: RegExp,
  methods: readonly string[],
  load: LoadHandler,
  parameters?: readonly string[],
];

const ROUTES: readonly Entry[] = [
  [/^overview$/, READ, async (context) => (await overview()).showOverview(context), ['mailbox']],
  [/^charts$/, READ, async (context) => (await overview()).showCharts(context), ['hours']],
  [/^emails$/, READ, async (context) => (await emails()).showEmails(context), EMAIL_LIST],
  [/^emails\/search$/, WRITE, async (context) => (await emails()).searchEmails(context), EMAIL_LIST],
  [/^emails\/([^/]+)$/, READ, async (context) => (await emails()).showEmail(context)],
  [/^emails\/([^/]+)\/html$/, READ, async (context) => (await emails()).showHtml(context)],
  [/^emails\/([^/]+)\/raw$/, READ, async (context) => (await emails()).downloadRaw(context)],
  [/^emails\/([^/]+)\/files\.zip$/, READ, async (context) => (await emails()).downloadFiles(context)],
  [
    /^emails\/([^/]+)\/reprocess$/,
    WRITE,
    async (context) => (await changes()).reprocessEmail(context),
    ['reset_processed'],
  ],
  [/^emails\/([^/]+)\/unprocess$/, WRITE, async (context) => (await changes()).unprocessEmail(context)],
  [/^attachments\/([^/]+)\/preview$/, READ, async (context) => (await emails()).previewAttachment(context)],
  [/^attachments\/([^/]+)$/, READ, async (context) => (await emails()).downloadAttachment(context)],
  [
    /^messages$/,
    READ,
    async (context) => (await messages()).showMessages(context),
    ['state', 'rule', ...PAGE],
  ],
  [/^messages\/counts$/, READ, async (context) => (await messages()).showCounts(context)],
  [
    /^messages\/search$/,
    WRITE,
    async (context) => (await messages()).searchNotStored(context),
    ['q', 'mailbox', ...PAGE],
  ],
  [/^messages\/retry$/, WRITE, async (context) => (await messages()).retryAll(context)],
  [/^messages\/([^/]+)\/retry$/, WRITE, async (context) => (await messages()).retryOne(context)],
  [/^messages\/([^/]+)\/give-up$/, WRITE, async (context) => (await messages()).giveUp(context)],
  [/^dead-emails$/, READ, async (context) => (await processing()).showDeadEmails(context), PAGE],
  [
    /^consumers\/([^/]+)\/emails\/([^/]+)\/requeue$/,
    WRITE,
    async (context) => (await processing()).requeueOne(context),
  ],
  [
    /^consumers\/([^/]+)\/requeue-dead$/,
    WRITE,
    async (context) => (await processing()).requeueAllDead(context),
  ],
  [
    /^mailboxes$/,
    READ,
    async (context) => (await mailboxes()).showMailboxes(context),
    ['contains', 'offset'],
  ],
  [/^mailboxes\/add$/, WRITE, async (context) => (await mailboxes()).addOne(context), NEW_MAILBOX],
  [/^mailboxes\/pause$/, WRITE, async (context) => (await mailboxes()).pauseOne(context)],
  [/^mailboxes\/resume$/, WRITE, async (context) => (await mailboxes()).resumeOne(context)],
  [/^mailboxes\/remove$/, WRITE, async (context) => (await mailboxes()).removeOne(context)],
  [/^runs$/, READ, async (context) => (await records()).showRuns(context), PAGE],
  [/^incidents$/, READ, async (context) => (await records()).showIncidents(context), PAGE],
];

/** The data of the operator's page is below this path. */
export const DATA_PATH = '/api/console/';

/** @returns null when no route matches the path */
export function findDataRoute(path: string, context: AppContext): Route | null {
  if (!path.startsWith(DATA_PATH)) return null;
  const rest = path.slice(DATA_PATH.length).replace(/\/$/, '');
  for (const [pattern, methods, load, parameters] of ROUTES) {
    const match = pattern.exec(rest);
    if (match === null) continue;
    return {
      methods,
      handle: async (request, log) => {
        if (parameters !== undefined) assertParameters({ query: sentWith(request) }, rest, parameters);
        return await (await load(context))(request, match.slice(1), log);
      },
    };
  }
  return null;
}

/** A body that is not a JSON object is left to the handler. */
function sentWith({ body, method, query }: HttpRequest): HttpRequest['query'] {
  if (method !== 'POST') return query;
  return typeof body === 'object' && body !== null && !Buffer.isBuffer(body) ? { ...body } : {};
}
