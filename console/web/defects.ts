/** The defects of an email as sentences: what each one means, and where the complete content is. */

/** No content is missing because of these defects: shown in the opened email, never as a warning. */
const HARMLESS: ReadonlySet<string> = new Set([
  'bare_cr_lines',
  'base64_junk',
  'boundary_guessed',
  'charset_guessed',
  'charset_unknown',
  'date_missing',
  'date_unreadable',
  'duplicate_header',
  'filename_shortened',
  'header_8bit',
  'header_malformed',
  'header_separator_missing',
  'html_simplified',
  'leading_lines',
  'multipart_encoded',
  'part_after_end',
  'quoted_printable_malformed',
  'signature_not_verified',
  'text_nul_removed',
  'transfer_encoding_missing',
  'transfer_encoding_wrong',
]);

export const DEFECT_SENTENCES: Readonly<Record<string, string>> = {
  address_unreadable: 'An address is unreadable; its text is kept as a name.',
  bare_cr_lines: 'The email uses old line endings (CR only); it was read normally.',
  base64_junk: 'A file contains invalid characters; they were skipped.',
  base64_trailing_text: 'Text after the end of a file was omitted; the original contains it.',
  base64_truncated: 'A file is incomplete: ask the sender to send it again.',
  body_missing: 'The email has no text.',
  boundary_guessed: 'The boundary between parts is declared wrongly; it was detected from the content.',
  boundary_missing: 'The parts of the email cannot be separated; they are kept as one part.',
  charset_guessed:
    'The character set of a text is missing or declared wrongly; it was detected from the bytes.',
  charset_unknown: 'The character set of a text is unknown; it was detected from the bytes.',
  closing_boundary_missing: 'The end of the email is missing: it may have been cut off in transit.',
  cms_unreadable: 'A signed part cannot be opened; it is kept as a file.',
  content_elsewhere: 'A part only refers to its content; the content is not in the email.',
  date_missing: 'The email has no date.',
  date_unreadable: 'The date of the email is unreadable.',
  duplicate_header: 'A header occurs twice; the usable one was read.',
  empty_message: 'The email is empty.',
  encrypted: 'The email is encrypted: only the recipient\u2019s key can decrypt its text and files.',
  file_empty: 'A file in it is empty: ask the sender to send it again.',
  file_truncated: 'A file in it is shorter than declared: ask the sender to send it again.',
  filename_shortened: 'A file name was too long and was shortened.',
  from_missing: 'The From header has no sender; Sender or Reply-To is shown instead, if present.',
  header_8bit: 'A header does not declare its character set; it was guessed.',
  header_malformed: 'A line among the headers is not a header; it was skipped or joined to the header above.',
  header_separator_missing: 'The empty line between headers and text is missing.',
  header_too_long: 'A header is too long; its end was omitted. The original contains it.',
  html_simplified: 'The HTML is very large; the plain text has less layout.',
  leading_lines: 'There are lines before the first header.',
  linked_files:
    'A file is only linked (Drive, OneDrive or Dropbox) and is not stored: open the link to get it.',
  message_unreadable: 'An attached email cannot be read; it is kept as a file.',
  multipart_encoded: 'All parts were encoded together; they were decoded.',
  nesting_too_deep: 'Attached emails are nested too deeply; the inner ones are kept as one file.',
  not_storable_as_read: 'The parsed content could not be stored; only the original is kept.',
  parse_budget_exceeded: 'Parsing the email took too long; it is kept as one file.',
  part_after_end: 'A part follows the end of the email; it was read anyway.',
  parts_too_many: 'The email has too many parts; the rest is kept as one file.',
  quoted_printable_malformed: 'The text has small encoding errors; they are kept unchanged.',
  reader_failed: 'The email cannot be parsed; it is kept as one file.',
  signature_not_verified: 'The email is signed; the signature was not verified.',
  text_after_end: 'Text after the last part was omitted; the original contains it.',
  text_is_binary: 'A part declared as text is a binary file; it is kept as an attachment.',
  text_nul_removed: 'Characters that cannot be stored were removed from the text.',
  text_too_long: 'A text is too long to show; it is kept as an attachment.',
  text_undecodable: 'Some characters are unreadable; they are shown as \ufffd.',
  tnef_damaged: 'A winmail.dat file cannot be read completely; it is kept as a file.',
  transfer_encoding_missing: 'A part does not declare its encoding; it was decoded.',
  transfer_encoding_unknown: 'A part has an unknown encoding; it is kept unchanged.',
  transfer_encoding_wrong: 'A part is declared as encoded but is not; it is kept unchanged.',
  uuencode_damaged: 'A uuencoded file is damaged or incomplete: compare it with the original.',
};

/** Sentences of the defects that may have lost content; empty when there are none. */
export function defectWarnings(defects: readonly string[]): string[] {
  return defects.filter((defect) => !HARMLESS.has(defect)).map(sentenceOf);
}

/** Sentences of all defects. Those that may have lost content come first. */
export function defectSentences(defects: readonly string[]): string[] {
  return [...defectWarnings(defects), ...defects.filter((defect) => HARMLESS.has(defect)).map(sentenceOf)];
}

function sentenceOf(defect: string): string {
  return DEFECT_SENTENCES[defect] ?? `The email has the defect ${defect}.`;
}
