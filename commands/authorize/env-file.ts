/** Sets variables in a `.env` file and leaves every other line unchanged. */
import {
  chmodSync,
  existsSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';

/** @throws {Error} for a value with a line break or a single quote */
export function envLine(name: string, value: string): string {
  if (/[\r\n']/.test(value)) throw new Error(`The value of ${name} cannot be written to a .env file.`);
  // Unquoted, a # would begin a comment and a trailing space would be trimmed.
  return /^[\w./~+=:@-]+$/.test(value) ? `${name}=${value}` : `${name}='${value}'`;
}

/** Returns the text with these variables set. A variable that is already there is replaced in its place. */
export function withVariables(text: string, variables: Readonly<Record<string, string>>): string {
  const rest = new Map(Object.entries(variables));
  const newline = text.includes('\r\n') ? '\r\n' : '\n';
  const lines = text === '' ? [] : text.replace(/\r?\n$/, '').split(/\r?\n/);
  const kept = lines.flatMap((line) => {
    const name = /^\s*(?:export\s+)?(\w+)\s*=/.exec(line)?.[1] ?? '';
    const value = variables[name];
    if (value === undefined) return [line];
    // Of several lines with the same name the last would win, so only the first is kept.
    return rest.delete(name) ? [envLine(name, value)] : [];
  });
  const added = [...rest].map(([name, value]) => envLine(name, value));
  return [...kept, ...added, ''].join(newline);
}

/** Replaces the file atomically, or creates it, readable by its owner only. May run twice. */
export function writeEnvFile(file: string, variables: Readonly<Record<string, string>>): void {
  const target = existsSync(file) ? realpathSync(file) : file;
  const text = existsSync(target) ? readFileSync(target, 'utf8') : '';
  const next = `${target}.${process.pid}.tmp`;
  try {
    writeFileSync(next, withVariables(text, variables), { mode: 0o600, flag: 'wx' });
    chmodSync(next, 0o600);
    renameSync(next, target);
  } finally {
    rmSync(next, { force: true });
  }
}
