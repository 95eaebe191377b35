/**
 * The header that makes a browser save an answer under a name, RFC 6266. The name may be any that a sender chose.
 * What must stay true: no name begins a new header, leaves its folder, or reads otherwise than it ends.
 */

/** What every file system takes, with room for a browser's ` (1)`. */
const MOST_BYTES = 200;
const MOST_EXTENSION_BYTES = 20;

/** @param otherwise when nothing is left of the name */
export function attachmentAs(name: string, otherwise: string): string {
  const safe = safeName(name) || otherwise;
  const ascii = safe.replace(/[^ -~]|["\\%]/g, '_');
  return `attachment; filename="${ascii}"; filename*=UTF-8''${encoded(safe)}`;
}

function safeName(name: string): string {
  const kept = name
    .toWellFormed()
    // Control characters, line and paragraph ends, and what is not seen: it turns the direction or hides an ending.
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '')
    .replace(/[/\\:*?"<>|]/g, '_')
    .replace(/\s+/g, ' ')
    .trim()
    .replace(/^\.+|[. ]+$/g, '');
  return cut(kept);
}

/** To what a file system takes; the ending stays, because it tells what opens it. */
function cut(name: string): string {
  const ending = /\.[^.]+$/.exec(name)?.[0] ?? '';
  if (Buffer.byteLength(ending) > MOST_EXTENSION_BYTES) return cutTo(name, MOST_BYTES);
  const stem = name.slice(0, name.length - ending.length);
  return cutTo(stem, MOST_BYTES - Buffer.byteLength(ending)) + ending;
}

function cutTo(text: string, bytes: number): string {
  let kept = '';
  let size = 0;
  for (const character of text) {
    size += Buffer.byteLength(character);
    if (size > bytes) break;
    kept += character;
  }
  return kept;
}

/** RFC 8187: what encodeURIComponent leaves, but for the four that are not of attr-char. */
function encoded(name: string): string {
  return encodeURIComponent(name).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
