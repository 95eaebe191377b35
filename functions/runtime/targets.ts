/** The targets of the deployed functions. Not in `functions.ts`, because each bundle would then contain the modules of all. */
export const TARGETS = [
  'poll',
  'gmailPush',
  'ingestMailbox',
  'status',
  'start',
  'stop',
  'pollNow',
  'console',
  'attachmentUrl',
  'migrate',
] as const;

export type Target = (typeof TARGETS)[number];

/** The target of the deployed image, which contains all functions. APP_FUNCTION selects the one that it serves. */
export const MAIN = 'main';
