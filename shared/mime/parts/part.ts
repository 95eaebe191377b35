/** A node of the MIME tree. `part-tree.ts` builds the tree; `bodies.ts` and `read-message.ts` read it. */

import type { HeaderFields } from '../headers/header-block.ts';
import { isBlank } from '../headers/header-lines.ts';
import type { PartHeader } from './part-header.ts';

export interface Part {
  /**
   * `1`, `2.1`. A multipart that is the message itself has the path of the part that contains the message; empty for the email.
   */
  readonly path: string;
  /** The path of the file that contains the part: an attached message or signed data; null for a part of the email itself. */
  readonly parentPath: string | null;
  readonly parent: Part | null;
  readonly depth: number;
  readonly header: PartHeader;
  readonly fields: HeaderFields;
  /** The declared type, or the default of the standards when none is declared. */
  type: string;
  readonly children: Part[];
  /** The signed message, when the part is signed data that was opened. */
  opened: Part | null;
  /** Still transfer-encoded. For a multipart with children: the bytes before the first child. */
  body: Buffer;
  /** True when the part was not split: the body is the rest of the message, headers included, or a multipart that stays closed. */
  isWhole: boolean;
}

/** The leaf parts in message order. The parts inside signed data follow the signed part. */
export function leaves(root: Part): Part[] {
  const found: Part[] = [];
  const pending = [root];
  for (let part = pending.pop(); part !== undefined; part = pending.pop()) {
    if (part.opened !== null) {
      found.push(part);
      pending.push(part.opened);
    } else if (part.children.length > 0) {
      pending.push(...part.children.toReversed());
    } else if (!isMultipart(part) || part.isWhole || !isBlank(part.body, 0, part.body.length)) {
      found.push(part);
    }
  }
  return found;
}

export function isMultipart(part: Part): boolean {
  return part.type.startsWith('multipart/');
}

/** `2` and `1`: `2.1`. */
export function joinPath(around: string, number: number): string {
  return around === '' ? `${number}` : `${around}.${number}`;
}
