/** The files of Terraform's input variables, one after the other. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = join(import.meta.dirname, '../../terraform');

export const VARIABLE_FILES: readonly string[] = readdirSync(FOLDER).filter((name) =>
  /^variables.*\.tf$/.test(name),
);

export const variablesText = VARIABLE_FILES.map((name) => readFileSync(join(FOLDER, name), 'utf8')).join(
  '\n',
);
