/** Text with formatting commands: `text/enriched`, RFC 1896, and its predecessor `text/richtext`, RFC 1341. */

/** The text without commands. Line breaks are unchanged. */
export function stripEnriched(text: string): string {
  return text
    .replace(/<param>[^<]*<\/param>|(?<!<)<(?!lt>|nl>)\/?[a-z][\w-]{0,59}>/gi, '')
    .replace(/<nl>/gi, '\n')
    .replace(/<<|<lt>/gi, '<');
}
