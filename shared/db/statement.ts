/**
 * Statements that PostgreSQL reads once for each connection and then knows by name. For those that every run or every
 * email asks; the others are read each time.
 * What must stay true: a name means one text, whatever process it comes from, since a pooler may share connections.
 */
import { hash } from 'node:crypto';

export interface Statement {
  readonly name: string;
  readonly text: string;
}

const known = new Map<string, Statement>();

/** A name holds 63 characters; a third of the hash is more than enough to tell our statements apart. */
const NAME_LENGTH = 24;
/** Of different numbers of attachments, say: beyond it a statement is read each time, so that no session piles them up. */
const KEPT = 100;

/** May be called again with the same text. Without a name once there are many. */
export function prepared(text: string): Statement {
  const found = known.get(text);
  if (found !== undefined) return found;
  if (known.size >= KEPT) return { name: '', text };
  const made = { name: `em_${hash('sha256', text, 'hex').slice(0, NAME_LENGTH)}`, text };
  known.set(text, made);
  return made;
}
