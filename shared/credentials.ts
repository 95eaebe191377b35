/**
 * The OAuth credentials of the mailbox, each from its variable or from the file that `..._FILE` names: a secret that
 * is mounted as a file changes under a running instance, a variable does not.
 * What must stay true: no fault shows what stands in a variable or a file.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

export interface GmailCredentials {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly refreshToken: string;
}

export interface CredentialReading {
  /** Null unless all three are there: partial credentials are none, and the system says what is missing. */
  readonly gmail: GmailCredentials | null;
  /** The variables without a value, also where their file is empty. */
  readonly missing: readonly string[];
  /** Files that cannot be read, one line each: the monitor is not configured, and says so, until they can be. */
  readonly problems: readonly string[];
  /** What is wrong with the environment itself, one line each: no later reading can correct it. */
  readonly faults: readonly string[];
}

/** @throws whatever the file system throws */
export type ReadFile = (path: string) => string;

type Environment = Readonly<Record<string, string | undefined>>;

const NAMES = ['GMAIL_CLIENT_ID', 'GMAIL_CLIENT_SECRET', 'GMAIL_REFRESH_TOKEN'] as const;

const readTextFile: ReadFile = (path) => readFileSync(path, 'utf8');

export function readCredentials(env: Environment, readFile: ReadFile = readTextFile): CredentialReading {
  const faults: string[] = [];
  const problems: string[] = [];
  const read = (name: (typeof NAMES)[number]): string => {
    const value = env[name]?.trim() ?? '';
    const path = credentialFile(env, name);
    if (path === null) return value;
    if (value !== '') {
      faults.push(`${name}_FILE is set beside ${name}; only one of them may be`);
      return '';
    }
    try {
      return readFile(path).trim();
    } catch (error) {
      problems.push(`${name}_FILE names ${path}, which cannot be read (${reasonOf(error)})`);
      return '';
    }
  };
  const [clientId = '', clientSecret = '', refreshToken = ''] = NAMES.map(read);
  const missing = [clientId, clientSecret, refreshToken].flatMap((value, at) =>
    value === '' ? (NAMES[at] ?? []) : [],
  );
  const gmail = missing.length > 0 ? null : { clientId, clientSecret, refreshToken };
  return { gmail, missing, problems, faults };
}

/** The files that credentials come from; none where the variables hold the values. */
export function credentialFiles(env: Environment): string[] {
  return NAMES.flatMap((name) => credentialFile(env, name) ?? []);
}

function credentialFile(env: Environment, name: string): string | null {
  return env[`${name}_FILE`]?.trim() || null;
}

/** ENOENT, EACCES, ...: never the message, which is not ours. */
function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : null;
  return typeof code === 'string' ? code : 'unknown reason';
}

export function areSameCredentials(a: GmailCredentials | null, b: GmailCredentials | null): boolean {
  if (a === null || b === null) return a === b;
  return a.clientId === b.clientId && a.clientSecret === b.clientSecret && a.refreshToken === b.refreshToken;
}

/** Which credentials these are, without giving them away: SHA-256, hex. Binds a mailbox row to them. */
export function credentialFingerprint(of: GmailCredentials): string {
  return createHash('sha256').update(`${of.clientId}\n${of.refreshToken}`).digest('hex');
}
