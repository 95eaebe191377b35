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
  /** The decoded bytes. */
  readonly content: Uint8Array;
  readonly sizeBytes: number;
  /** Lower-case hex over the decoded bytes. */
  readonly sha256: string;
}

/** A flaw that the reader worked around; a closed list, so that it can be counted and filtered. */
export type DefectCode = string;

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
  readonly bodyText: string | null;
  readonly bodyHtml: string | null;
  readonly attachments: readonly ParsedAttachment[];
  /** Sorted, each once; empty for a clean email. */
  readonly defects: readonly DefectCode[];
}
