/**
 * The Content-Disposition header, which makes a browser save a response as a file (RFC 6266). The sender of the email chose
 * the file name, so it is untrusted.
 * Invariant: no name injects a header, escapes the download folder, or hides its real extension.
 */

/** Fits every common file system, with room for the ` (1)` that a browser appends. */
const MAX_NAME_BYTES = 200;
const MAX_EXTENSION_BYTES = 20;

/**
 * @param name as the sender wrote it
 * @param fallback used when no safe character is left of the name
 */
export function attachmentDisposition(name: string, fallback: string): string {
  return `attachment; ${filenameParameters(name, fallback)}`;
}

/** For a file that the browser shows. The name is for saving it. Parameters as for `attachmentDisposition`. */
export function inlineDisposition(name: string, fallback: string): string {
  return `inline; ${filenameParameters(name, fallback)}`;
}

function filenameParameters(name: string, fallback: string): string {
  const safe = safeName(name) || fallback;
  const ascii = safe.replace(/[^ -~]|["\\%]/g, '_');
  return `filename="${ascii}"; filename*=UTF-8''${encodeExtended(safe)}`;
}

/** @returns a name without folders and control characters, of at most 200 bytes; empty when no safe character is left */
export function safeName(name: string): string {
  const kept = name
    .toWellFormed()
    // Control characters, line separators, and invisible format characters, which can reverse the text direction.
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '')
    .replace(/[/\\:*?"<>|]/g, '_')
    .replace(/\s+/g, ' ')
    .trim()
    .replace(/^\.+/, '');
  // Windows removes dots and spaces at the end.
  return truncateName(kept.replace(/[. ]+$/, '')).replace(/[. ]+$/, '');
}

/** Keeps the extension, because it decides which program opens the file. */
function truncateName(name: string): string {
  const extension = /\.[^.]+$/.exec(name)?.[0] ?? '';
  if (Buffer.byteLength(extension) > MAX_EXTENSION_BYTES) return truncate(name, MAX_NAME_BYTES);
  const stem = name.slice(0, name.length - extension.length);
  return truncate(stem, MAX_NAME_BYTES - Buffer.byteLength(extension)) + extension;
}

function truncate(text: string, maxBytes: number): string {
  let kept = '';
  let size = 0;
  for (const character of text) {
    size += Buffer.byteLength(character);
    if (size > maxBytes) break;
    kept += character;
  }
  return kept;
}

/** RFC 8187. encodeURIComponent leaves four characters unencoded that are not in attr-char. */
function encodeExtended(name: string): string {
  return encodeURIComponent(name).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
