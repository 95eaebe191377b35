/** Text with formatting commands: `text/enriched`, RFC 1896, and its predecessor `text/richtext`, RFC 1341. */

/** The text is replaced piece by piece, because millions of matches in one pass take ten times its size in memory. */
const PIECE_LENGTH = 64 * 1024;

/** The text without commands. Line breaks are unchanged. */
export function stripEnriched(text: string): string {
  let stripped = '';
  for (let at = 0; at < text.length; ) {
    const newline = text.lastIndexOf('\n', at + PIECE_LENGTH);
    const end = newline > at ? newline + 1 : at + PIECE_LENGTH;
    stripped += stripPiece(text.slice(at, end));
    at = end;
  }
  return stripped;
}

function stripPiece(text: string): string {
  return text
    .replace(/<param>[^<]*<\/param>|(?<!<)<(?!lt>|nl>)\/?[a-z][\w-]{0,59}>/gi, '')
    .replace(/<nl>/gi, '\n')
    .split('<<')
    .map((between) => between.replace(/<lt>/gi, '<'))
    .join('<');
}
