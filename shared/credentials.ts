/**
 * The OAuth credentials of the mailbox, each read from its variable or from the file named by its `..._FILE` variable.
 * A secret mounted as a file can change while an instance runs; a variable cannot.
 * Invariant: no error shows the value of a variable or the content of a file.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

export interface GmailCredentials {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly refreshToken: string;
}

export interface CredentialReading {
  /** Null unless all three are set; `missing` names the others. */
  readonly gmail: GmailCredentials | null;
  /** The variables without a value, including those whose file is empty. */
  readonly missing: readonly string[];
  /** Files that cannot be read, one line each. The state is `not_configured` until they can be read. */
  readonly problems: readonly string[];
  /** Errors of the environment itself, one line each, which reading again cannot correct. */
  readonly errors: readonly string[];
  /** GMAIL_CREDENTIALS=held_elsewhere: this function must hold none, and the others record theirs in the database. */
  readonly areHeldElsewhere: boolean;
}

/** @returns the content as text. @throws the error of the file system */
export type ReadFile = (path: string) => string;

type Environment = Readonly<Record<string, string | undefined>>;

const HELD_ELSEWHERE = 'held_elsewhere';

const NAMES = ['GMAIL_CLIENT_ID', 'GMAIL_CLIENT_SECRET', 'GMAIL_REFRESH_TOKEN'] as const;

const readTextFile: ReadFile = (path) => readFileSync(path, 'utf8');

export function readCredentials(env: Environment, readFile: ReadFile = readTextFile): CredentialReading {
  const errors: string[] = [];
  const problems: string[] = [];
  const read = (name: (typeof NAMES)[number]): string => {
    const value = env[name]?.trim() ?? '';
    const path = credentialFile(env, name);
    if (path === null) return value;
    if (value !== '') {
      errors.push(`${name}_FILE and ${name} are both set; set only one of them`);
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
  const setting = env['GMAIL_CREDENTIALS']?.trim() ?? '';
  const areHeldElsewhere = setting === HELD_ELSEWHERE;
  if (setting !== '' && !areHeldElsewhere)
    errors.push(`GMAIL_CREDENTIALS must be empty or ${HELD_ELSEWHERE}`);
  if (areHeldElsewhere) errors.push(...credentialsThatAreSet(env).map(excludedBySetting));
  return { gmail, missing, problems, errors, areHeldElsewhere };
}

function credentialsThatAreSet(env: Environment): string[] {
  return NAMES.flatMap((name) => [name, `${name}_FILE`]).filter((name) => env[name]?.trim());
}

function excludedBySetting(name: string): string {
  return `${name} must be empty, because GMAIL_CREDENTIALS is ${HELD_ELSEWHERE}`;
}

/** The paths of the credential files; empty when the variables hold the values. */
export function credentialFiles(env: Environment): string[] {
  return NAMES.flatMap((name) => credentialFile(env, name) ?? []);
}

function credentialFile(env: Environment, name: string): string | null {
  return env[`${name}_FILE`]?.trim() || null;
}

/** The error code, such as ENOENT or EACCES. Never the message, which may hold more than the reason. */
function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : null;
  return typeof code === 'string' ? code : 'unknown reason';
}

export function areSameCredentials(a: GmailCredentials | null, b: GmailCredentials | null): boolean {
  if (a === null || b === null) return a === b;
  return a.clientId === b.clientId && a.clientSecret === b.clientSecret && a.refreshToken === b.refreshToken;
}

/** Identifies credentials without revealing them. @returns SHA-256 of client id and refresh token, hex */
export function credentialFingerprint({ clientId, refreshToken }: GmailCredentials): string {
  return createHash('sha256').update(`${clientId}\n${refreshToken}`).digest('hex');
}
