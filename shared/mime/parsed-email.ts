/**
 * What the MIME reader gives: one email in our own terms, ready to be stored.
 * Filled by `parse-email.ts`, read by `ingest`. Every string here is valid UTF-8 without NUL.
 */

/** Raised when the reader gives other columns for the same bytes; `reprocess` rebuilds rows of a lower one. */
export const PARSER_VERSION = 1;

/** An address as the header gives it; `address` is lower-cased in its domain only, null when unreadable. */
export interface EmailAddress {
  readonly name: string | null;
  readonly address: string | null;
}

/** One leaf part that is not the chosen text or HTML body. */
export interface ParsedAttachment {
  /** Where the part stands in the MIME tree: `1`, `2.1`; parts out of a winmail.dat end in `.tnef.N`. */
  readonly partPath: string;
  /** Decoded (RFC 2231, RFC 2047, `name=`), without folders or control characters; never empty. */
  readonly filename: string;
  /** The declared type in lower case, `application/octet-stream` when none is declared or readable. */
  readonly contentType: string;
  /** The type its bytes show, null when they show none. */
  readonly detectedType: string | null;
  /** Without angle brackets; null when absent. */
  readonly contentId: string | null;
  /** True for a part that the HTML body shows by `cid:` or Content-Location. */
  readonly isInline: boolean;
  /** The decoded bytes; may be a view on the raw email, so neither may be written to. */
  readonly content: Uint8Array;
  readonly sizeBytes: number;
  /** Lower-case hex over the decoded bytes. */
  readonly sha256: string;
}

/**
 * A flaw that the reader met and worked around; a closed list, so that it can be counted and filtered.
 * None of them kept the email from being stored, and the exact bytes stand in its raw copy.
 */
export type DefectCode =
  /** An address header holds something that is no address; kept as a name. */
  | 'address_unreadable'
  /** Lines ended in CR alone; they were read as if they ended in LF. */
  | 'bare_cr_lines'
  /** Characters inside base64 that are not of its alphabet; skipped, as RFC 2045 asks. */
  | 'base64_junk'
  /** Text after the padding that ends base64, a mailing list's footer for instance; left out. */
  | 'base64_trailing_text'
  /** Base64 that stops in the middle of a group. */
  | 'base64_truncated'
  /** Neither a text nor an HTML part with anything to read in it. */
  | 'body_missing'
  /** A multipart's boundary was missing or wrong; the one its lines show was taken. */
  | 'boundary_guessed'
  /** A multipart in which no boundary was found; kept as one part. */
  | 'boundary_missing'
  /** No charset, or a wrong one, was declared; it was told from the bytes. */
  | 'charset_guessed'
  /** The declared charset is not known. */
  | 'charset_unknown'
  /** A multipart ends without its closing boundary: the email may have been cut. */
  | 'closing_boundary_missing'
  | 'date_missing'
  | 'date_unreadable'
  /** Subject, From, Date or Message-ID stands twice; the first one counts. */
  | 'duplicate_header'
  /** Not a single byte. */
  | 'empty_message'
  | 'filename_shortened'
  | 'from_missing'
  /** Bytes above 127 in a header that are not UTF-8; their charset was guessed. */
  | 'header_8bit'
  /** A line among the headers that is no header; skipped. */
  | 'header_malformed'
  /** The body begins without the empty line that should stand before it. */
  | 'header_separator_missing'
  /** A header longer, or more often repeated, than the reader takes; the rest was left out. */
  | 'header_too_long'
  /** Empty lines or an mbox separator before the first header. */
  | 'leading_lines'
  /** A multipart that was itself sent as base64 or quoted-printable. */
  | 'multipart_encoded'
  /** Multiparts within multiparts beyond the limit; the inner ones are kept as one file. */
  | 'nesting_too_deep'
  /** A part that follows its multipart's closing boundary; read all the same. */
  | 'part_after_end'
  /** More parts than the limit; the rest of the email is kept as one file. */
  | 'parts_too_many'
  /** An equals sign that begins no escape; kept as it stands. */
  | 'quoted_printable_malformed'
  /** The reader itself failed; the whole email is kept as one file. */
  | 'reader_failed'
  /** Text after a multipart's closing boundary; left out. */
  | 'text_after_end'
  /** A part declared or taken as text holds a binary file; kept as an attachment. */
  | 'text_is_binary'
  /** A text part too large for a body; kept as an attachment. */
  | 'text_too_long'
  /** NUL characters were taken out of text: PostgreSQL cannot hold them. */
  | 'text_nul_removed'
  /** Bytes that mean nothing in their charset stand as U+FFFD. */
  | 'text_undecodable'
  /** A winmail.dat that could not be read to its end, or holds more than the reader takes out. */
  | 'tnef_damaged'
  | 'transfer_encoding_unknown'
  /** Plain text that was declared as base64; kept as it stands. */
  | 'transfer_encoding_wrong'
  | 'uuencode_damaged';

/** Where the stages of one reading note what they met. */
export type Defects = Set<DefectCode>;

export interface ParsedEmail {
  readonly subject: string | null;
  /** The first From address; null when there is none. */
  readonly from: EmailAddress | null;
  readonly to: readonly EmailAddress[];
  readonly cc: readonly EmailAddress[];
  readonly bcc: readonly EmailAddress[];
  readonly replyTo: readonly EmailAddress[];
  /** The Message-ID header as it stands, angle brackets kept. Senders reuse it: never an identity. */
  readonly rfc822MessageId: string | null;
  readonly inReplyTo: string | null;
  /** The Date header; null when absent or unreadable. */
  readonly sentAt: Date | null;
  /** The first readable text/plain part, line ends as LF; null when there is none or it is empty. Never made from HTML. */
  readonly bodyText: string | null;
  /** The first readable text/html part, line ends as LF; null when there is none or it is empty. Not sanitized. */
  readonly bodyHtml: string | null;
  readonly attachments: readonly ParsedAttachment[];
  /** Sorted, each once; empty for a clean email. */
  readonly defects: readonly DefectCode[];
}
