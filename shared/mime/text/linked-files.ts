/** Files that an email only links to: for a file above 25 MB, Gmail stores it on Drive and inserts a link. */

const URL_PATTERN = /https?:\/\/([a-z0-9.-]{1,100})(\/[^\s"'<>]{0,30})?/gi;
/** Newsletters have hundreds. */
const MAX_URLS = 2_000;

const HOSTS: readonly (readonly [host: string, path: RegExp])[] = [
  ['drive.google.com', /^\/(?:file|open|uc|drive|a\/)/],
  ['docs.google.com', /^\/(?:document|spreadsheets|presentation|file|uc|open)/],
  ['1drv.ms', /^\/./],
  ['onedrive.live.com', /^\//],
  ['sharepoint.com', /^\/./],
  ['dropbox.com', /^\/(?:s|sh|scl|t|l)\//],
  ['dropboxusercontent.com', /^\/./],
];

/** Whether a text or HTML links to a file on Google Drive, OneDrive or Dropbox. */
export function hasLinkedFiles(text: string): boolean {
  let count = 0;
  for (const [, host = '', path = ''] of text.matchAll(URL_PATTERN)) {
    count += 1;
    if (count > MAX_URLS) return false;
    const lower = host.toLowerCase();
    const isFile = HOSTS.some(
      ([name, pattern]) => (lower === name || lower.endsWith(`.${name}`)) && pattern.test(path),
    );
    if (isFile) return true;
  }
  return false;
}
