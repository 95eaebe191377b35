/** Lines of a `.env` file: values set or replaced, everything else kept as it stands. */
import {
  chmodSync,
  existsSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';

/** @throws {Error} for a value that no line can hold */
export function envLine(name: string, value: string): string {
  if (/[\r\n']/.test(value)) throw new Error(`The value of ${name} cannot stand in a .env file.`);
  // A # would begin a comment, a space would end up trimmed.
  return /^[\w./~+=:@-]+$/.test(value) ? `${name}=${value}` : `${name}='${value}'`;
}

/** The text with these variables set; each that stood there is replaced in its place. */
export function withVariables(text: string, variables: Readonly<Record<string, string>>): string {
  const rest = new Map(Object.entries(variables));
  const newline = text.includes('\r\n') ? '\r\n' : '\n';
  const lines = text === '' ? [] : text.replace(/\r?\n$/, '').split(/\r?\n/);
  const kept = lines.flatMap((line) => {
    const name = /^\s*(?:export\s+)?(\w+)\s*=/.exec(line)?.[1] ?? '';
    const value = variables[name];
    if (value === undefined) return [line];
    // The last of several would win: one line is left, the first.
    return rest.delete(name) ? [envLine(name, value)] : [];
  });
  const added = [...rest].map(([name, value]) => envLine(name, value));
  return [...kept, ...added, ''].join(newline);
}

/** Replaces the file in one step, for its owner's eyes only; a new one is made. May run twice. */
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
