/** Paths in the arguments of a command. */
import { resolve } from 'node:path';
import type { Environment } from '../../shared/config.ts';

/**
 * npm runs a command in the project's folder. INIT_CWD is the folder that the operator called npm in.
 *
 * @returns the absolute path
 */
export function callerPath(path: string, env: Environment = process.env): string {
  return resolve(env['INIT_CWD'] ?? '', path);
}
