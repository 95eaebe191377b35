/**
 * Detects the type of a file from its bytes, in addition to the declared type. It uses file-type, and adds text, old
 * Office files and email formats. Reads bounded sections of the bytes.
 */

import { countControls } from '../encoding/control-characters.ts';

/** file-type may read this much at once; a file that needs more has no detected type. */
const MAX_READ_BYTES = 4 * 1024 * 1024;

const PKCS7 = Buffer.from('06092a864886f70d0107', 'hex');

const DOCX = 'application/vnd.openxmlformats-officedocument.wordprocessingml.document';
const XLSX = 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet';
const PPTX = 'application/vnd.openxmlformats-officedocument.presentationml.presentation';

/** Types whose files are text themselves; any other type that file-type detects in plain text is a coincidence (`BM...`). */
const TEXTUAL =
  /^(?:text\/|application\/(?:pdf|rtf|xml|postscript|eps|pgp-|x-ft-|json|mbox)|image\/svg|model\/)/;

/** The type as `type/subtype`; null when not recognized. Never rejects. */
export async function detectType(content: Uint8Array): Promise<string | null> {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  const head = bytes.toString('latin1', 0, 1024);
  if (/^\s{0,200}%PDF-/.test(head)) return 'application/pdf';
  if (bytes.length >= 6 && bytes.readUInt32LE(0) === 0x223e9f78) return 'application/ms-tnef';
  if (isPkcs7(bytes)) return 'application/pkcs7-mime';
  const found = await fromFileType(bytes);
  if (found === 'application/zip') return officeInZip(bytes) ?? found;
  if (found === 'application/x-cfb') return compoundType(bytes) ?? found;
  if (found !== null && (TEXTUAL.test(found) || countControls(bytes.subarray(0, 4096)) > 0)) return found;
  // Readers of PDF allow anything before its first line, within a kilobyte.
  if (/[\r\n]%PDF-\d/.test(head) && bytes.subarray(-1024).includes('%%EOF')) return 'application/pdf';
  return /^(?:\u00ef\u00bb\u00bf)?\s{0,200}<(?:!doctype html|html[\s>])/i.test(head) ? 'text/html' : null;
}

async function fromFileType(bytes: Buffer): Promise<string | null> {
  try {
    const { fileTypeFromBuffer } = await import('./file-type.ts');
    return (await fileTypeFromBuffer(bytes, { maxBufferSize: MAX_READ_BYTES }))?.mime ?? null;
  } catch {
    return null;
  }
}

/** The object identifier of PKCS #7 as the first element of a DER sequence: signed or enveloped data. */
function isPkcs7(bytes: Buffer): boolean {
  const at = bytes.subarray(0, 16).indexOf(PKCS7);
  return bytes[0] === 0x30 && at >= 2 && at <= 6;
}

/** By the names in the directory at the archive's end, for writers whose first entries say nothing. */
function officeInZip(bytes: Buffer): string | null {
  const tail = bytes.subarray(-256 * 1024);
  if (!tail.includes('[Content_Types].xml')) return null;
  if (tail.includes('word/document')) return DOCX;
  if (tail.includes('xl/workbook')) return XLSX;
  return tail.includes('ppt/presentation') ? PPTX : null;
}

/** Office 97 to 2003 and Outlook, by the entries in the first sector of the file's directory. */
function compoundType(bytes: Buffer): string | null {
  if (bytes.length < 512) return null;
  const sectorBytes = bytes.readUInt16LE(30) === 12 ? 4096 : 512;
  const directory = (bytes.readUInt32LE(48) + 1) * sectorBytes;
  const names = bytes.subarray(directory, directory + 4096).toString('utf16le');
  if (names.includes('WordDocument')) return 'application/msword';
  if (names.includes('Workbook') || names.includes('Book\0')) return 'application/vnd.ms-excel';
  if (names.includes('PowerPoint Document')) return 'application/vnd.ms-powerpoint';
  return names.includes('__properties_version1.0') || names.includes('__substg1.0_')
    ? 'application/vnd.ms-outlook'
    : null;
}
