/** What the reader of emails noted, as sentences: what it means for the order, and where the whole of it is. */

/** Nothing is missing because of these: shown when the email is opened, never as a warning. */
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
  address_unreadable: 'An address cannot be read; its text is kept as a name.',
  bare_cr_lines: 'Its lines end in an old way; they were read all the same.',
  base64_junk: 'A file holds stray characters; they were skipped.',
  base64_trailing_text: 'Text behind the end of a file was left out; the original has it.',
  base64_truncated: 'A file is cut off: ask the sender to send it again.',
  body_missing: 'It shows no text.',
  boundary_guessed: 'How its parts are separated is declared wrongly; it was detected from the lines.',
  boundary_missing: 'Its parts cannot be separated; they are kept as one.',
  charset_guessed:
    'The character set of a text is declared wrongly or not at all; it was detected from the bytes.',
  charset_unknown: 'The character set of a text is unknown; it was detected from the bytes.',
  closing_boundary_missing: 'Its end is missing: it may have been cut on the way.',
  cms_unreadable: 'A signed part cannot be opened; it is kept as a file.',
  content_elsewhere: 'A part only says where its content is; the content did not come with it.',
  date_missing: 'The sender gave no date.',
  date_unreadable: 'The date that the sender gave cannot be read.',
  duplicate_header: 'A header stands in it twice; the usable one counts.',
  empty_message: 'It is empty.',
  encrypted: 'It is encrypted: text and files can be read with the key of the receiver only.',
  file_empty: 'A file in it is empty: ask the sender to send it again.',
  filename_shortened: 'A file name was too long and was shortened.',
  from_missing: 'It names no sender in From; Sender or Reply-To is shown instead, if there is one.',
  header_8bit: 'A header uses characters without declaring them; they were guessed.',
  header_malformed: 'A line among the headers is no header; it was skipped or joined to the one above.',
  header_separator_missing: 'The empty line between headers and text is missing.',
  header_too_long: 'A header is too long; its end was left out. The original has it.',
  html_simplified: 'Its HTML is very large; its plain text has less layout.',
  leading_lines: 'There are lines before its first header.',
  linked_files:
    'A file is only linked (Drive, OneDrive or Dropbox) and is not stored: open the link to get it.',
  multipart_encoded: 'Its parts were encoded as a whole; they were decoded.',
  nesting_too_deep: 'Emails within emails go too deep; the inner ones are kept as one file.',
  not_storable_as_read: 'What was read could not be stored; only the original is kept.',
  parse_budget_exceeded: 'Reading it took too long; it is kept as one file.',
  part_after_end: 'A part follows its end; it was read all the same.',
  parts_too_many: 'It has too many parts; the rest is kept as one file.',
  quoted_printable_malformed: 'Its text is encoded with small mistakes; they are kept as they are.',
  reader_failed: 'It cannot be read; it is kept as one file.',
  signature_not_verified: 'It is signed; the signature was not verified.',
  text_after_end: 'Text behind its last part was left out; the original has it.',
  text_is_binary: 'A part that is declared as text is a file; it is kept as an attachment.',
  text_nul_removed: 'Characters that cannot be stored were removed from its text.',
  text_too_long: 'A text is too long to show; it is kept as an attachment.',
  text_undecodable: 'Some characters cannot be read; they are shown as \ufffd.',
  tnef_damaged: 'A winmail.dat cannot be read to its end; it is kept as a file.',
  transfer_encoding_missing: 'A part is encoded without saying so; it was decoded.',
  transfer_encoding_unknown: 'A part is encoded in an unknown way; it is kept as it is.',
  transfer_encoding_wrong: 'A part is declared as encoded and is not; it is kept as it is.',
  uuencode_damaged: 'A uuencoded file is damaged or cut off: compare it with the original.',
};

/** Of the defects that may cost something; empty when there is nothing to warn of. */
export function defectWarnings(defects: readonly string[]): string[] {
  return defects.filter((defect) => !HARMLESS.has(defect)).map(sentenceOf);
}

/** Of all defects, those that may cost something first. */
export function defectSentences(defects: readonly string[]): string[] {
  return [...defectWarnings(defects), ...defects.filter((defect) => HARMLESS.has(defect)).map(sentenceOf)];
}

function sentenceOf(defect: string): string {
  return DEFECT_SENTENCES[defect] ?? `It was read with the defect ${defect}.`;
}
