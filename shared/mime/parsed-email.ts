/**
 * The result of the MIME parser: one email, ready to be stored.
 * Filled by `parse-email.ts`, read by `ingest`. Every string here is valid UTF-8 without NUL.
 */

/** Incremented when the parser returns other columns for the same bytes; `reprocess` rebuilds rows of a lower version. */
export const PARSER_VERSION = 5;

/** An address of a header. Only the domain of `address` is lower-cased; null when unreadable. */
export interface EmailAddress {
  readonly name: string | null;
  readonly address: string | null;
}

/** A leaf part of the email, or of an attached message, that is not one of the chosen bodies. */
export interface ParsedAttachment {
  /**
   * The place of the part in the MIME tree: `1`, `2.1`. Files of an attached message and of signed data continue the path of
   * the part that contains them; files of a winmail.dat end in `.tnef.N`, uuencoded ones in `.uu.N`.
   */
  readonly partPath: string;
  /** The path of the attachment that contains this one: an attached message, signed data, a winmail.dat; null for none. */
  readonly parentPath: string | null;
  /** Decoded (RFC 2231, RFC 2047, `name=`), without folders and control characters; never empty. */
  readonly filename: string;
  /** The declared type in lower case, `application/octet-stream` when none is declared or readable. */
  readonly contentType: string;
  /** The type detected from the bytes; null when not recognized. */
  readonly detectedType: string | null;
  /** Without angle brackets; null when absent. */
  readonly contentId: string | null;
  /** True for an image that the HTML shows by `cid:` or Content-Location. Never for a PDF or another document. */
  readonly isInline: boolean;
  /** The decoded bytes; may be a view on the raw email, so do not write to either. */
  readonly content: Uint8Array;
  readonly sizeBytes: number;
  /** Lower-case hex over the decoded bytes. */
  readonly sha256: string;
}

/**
 * Defects that the parser found and worked around. The list is closed, so that defects can be counted and filtered.
 * An email with defects is stored, and its raw copy has the exact bytes.
 */
export const DEFECT_CODES = [
  /** An address header contains text that is not an address; kept as a name. */
  'address_unreadable',
  /** Lines ended in CR alone; they were read as if they ended in LF. */
  'bare_cr_lines',
  /** Characters inside base64 that are not in its alphabet; skipped, as RFC 2045 requires. */
  'base64_junk',
  /** Text after the padding that ends base64, a mailing list's footer for example; omitted. */
  'base64_trailing_text',
  /** Base64 that stops in the middle of a group. */
  'base64_truncated',
  /** Nothing to read, neither in the email nor in a message attached to it. */
  'body_missing',
  /** A multipart's boundary or type was missing or wrong; it was detected from the lines. */
  'boundary_guessed',
  /** A multipart in which no boundary was found; kept as one part. */
  'boundary_missing',
  /** No charset, or a wrong one, was declared; it was detected from the bytes. */
  'charset_guessed',
  /** The declared charset is not known. */
  'charset_unknown',
  /** A multipart ends without its closing boundary: the email may have been cut. */
  'closing_boundary_missing',
  /** Signed S/MIME data that could not be opened; kept as a file. */
  'cms_unreadable',
  /** A part that only says where its content is: message/external-body or message/partial. */
  'content_elsewhere',
  'date_missing',
  'date_unreadable',
  /** Subject, From, Date, Message-ID or a Content header occurs twice; the usable one is read. */
  'duplicate_header',
  /** The email has no bytes. */
  'empty_message',
  /** Text or files are encrypted; kept as a file. */
  'encrypted',
  /** A declared file has no bytes. */
  'file_empty',
  /** A file has far fewer bytes than its Content-Disposition declares. */
  'file_truncated',
  'filename_shortened',
  'from_missing',
  /** Bytes above 127 in a header that are not UTF-8; their charset was guessed. */
  'header_8bit',
  /** A line among the headers is not a header; skipped, or joined to the header above as its continuation. */
  'header_malformed',
  /** The body begins without the empty line that must precede it. */
  'header_separator_missing',
  /** A header is longer, or repeated more often, than the limit; the rest was omitted. */
  'header_too_long',
  /** HTML that the converter cannot process; `plain_text` was made by removing its tags. */
  'html_simplified',
  /** Empty lines or an mbox separator before the first header. */
  'leading_lines',
  /** The text links to a file on Google Drive, OneDrive or Dropbox that is not part of the email. */
  'linked_files',
  /** A part that is declared as a message but does not begin with a header; kept as a file. */
  'message_unreadable',
  /** A multipart that was itself sent as base64 or quoted-printable. */
  'multipart_encoded',
  /** Multiparts within multiparts beyond the limit; the inner ones are kept as one file. */
  'nesting_too_deep',
  /** Reading took more time or memory than one email may take; what was not read is kept as one file. */
  'parse_budget_exceeded',
  /** A part that follows its multipart's closing boundary; read anyway. */
  'part_after_end',
  /** More parts than the limit; the rest of the email is kept as one file. */
  'parts_too_many',
  /** An equals sign that does not begin an escape; kept unchanged. */
  'quoted_printable_malformed',
  /** The parser failed; the whole email is kept as one file. */
  'reader_failed',
  /** S/MIME signed data was opened; its signature was not verified. */
  'signature_not_verified',
  /** Text after a multipart's closing boundary; omitted. */
  'text_after_end',
  /** A part that is declared or read as text contains a binary file; kept as an attachment. */
  'text_is_binary',
  /** NUL characters were removed from text: PostgreSQL cannot store them. */
  'text_nul_removed',
  /** A text part too large for a body; kept as an attachment. */
  'text_too_long',
  /** Bytes that are invalid in their charset were replaced by U+FFFD. */
  'text_undecodable',
  /** A winmail.dat that could not be read to its end, or contains more files than the limit. */
  'tnef_damaged',
  /** A body of base64 that is not declared as such; decoded. */
  'transfer_encoding_missing',
  'transfer_encoding_unknown',
  /** A part that is declared as base64 or quoted-printable but is not encoded; kept unchanged. */
  'transfer_encoding_wrong',
  'uuencode_damaged',
] as const;

export type DefectCode = (typeof DEFECT_CODES)[number];

/** The defects found while parsing one email. */
export type Defects = Set<DefectCode>;

export interface ParsedEmail {
  readonly subject: string | null;
  /** The first From address, else Sender, else Reply-To; null when there is none. */
  readonly from: EmailAddress | null;
  readonly to: readonly EmailAddress[];
  readonly cc: readonly EmailAddress[];
  readonly bcc: readonly EmailAddress[];
  readonly replyTo: readonly EmailAddress[];
  /** The Message-ID header unchanged, with angle brackets. Senders reuse it, so it is not an identity. */
  readonly rfc822MessageId: string | null;
  readonly inReplyTo: string | null;
  /** The Date header; null when absent or unreadable. */
  readonly sentAt: Date | null;
  /** Delivered-To and X-Original-To, in order, each once: the mailboxes that received the email. */
  readonly deliveredTo: readonly string[];
  /** The List-Id header, decoded; null when absent. */
  readonly listId: string | null;
  /** Why the email counts as automatic: see `read-head.ts`; null when it does not. */
  readonly autoSubmitted: string | null;
  /**
   * The text/plain parts of the message, joined, line ends as LF; null when there is none, or the message is HTML and its text
   * only a banner or a footer. Never made from HTML.
   */
  readonly bodyText: string | null;
  /** The text/html parts of the message, joined, line ends as LF; null when there is none. Not sanitized. */
  readonly bodyHtml: string | null;
  /**
   * The readable text of the whole message: text, converted HTML and attached messages, in order. Null only when the email
   * has no text.
   */
  readonly plainText: string | null;
  readonly attachments: readonly ParsedAttachment[];
  /** Sorted, each once; empty for a clean email. */
  readonly defects: readonly DefectCode[];
}

/** An email without any parsed values. */
export const EMPTY_EMAIL: ParsedEmail = {
  subject: null,
  from: null,
  to: [],
  cc: [],
  bcc: [],
  replyTo: [],
  rfc822MessageId: null,
  inReplyTo: null,
  sentAt: null,
  deliveredTo: [],
  listId: null,
  autoSubmitted: null,
  bodyText: null,
  bodyHtml: null,
  plainText: null,
  attachments: [],
  defects: [],
};
