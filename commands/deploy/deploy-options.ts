/** What the person said behind `npm run deploy --`, checked. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Environment } from '../../shared/config.ts';

/** A grant takes up to two minutes to be seen everywhere, seldom longer. https://docs.cloud.google.com/iam/docs/access-change-propagation */
const PATIENCE_SECONDS = 120;

export const USAGE = `Usage: npm run deploy [-- OPTIONS]
Builds, applies terraform/, migrates the database, and looks at what is deployed. Stops at the first failure; running it
again is always safe.
  --plan           changes nothing: builds, and shows what Terraform would do
  --yes            applies without Terraform's question; needed where there is no terminal
  --var-file FILE  handed to Terraform; may be repeated
  --var NAME=VALUE handed to Terraform; may be repeated
  --wait SECONDS   how long to wait for a new function that refuses or does not answer yet (default ${PATIENCE_SECONDS})`;

export interface DeployOptions {
  /** The folder of the project. */
  readonly root: string;
  readonly isPlanOnly: boolean;
  readonly isApproved: boolean;
  /** Somebody can answer Terraform's question. */
  readonly hasTerminal: boolean;
  /** Absolute. */
  readonly variableFiles: readonly string[];
  /** `name=value` */
  readonly variables: readonly string[];
  readonly patienceSeconds: number;
}

/** @throws {Error} with the usage */
export function readDeployOptions(
  args: readonly string[],
  options: { readonly root: string; readonly env: Environment; readonly hasTerminal: boolean },
): DeployOptions {
  const flags = parse(args);
  if (flags.plan && flags.yes) throw new Error(`--plan applies nothing, so --yes says nothing.\n${USAGE}`);
  // npm changes into the project; where the person stands it tells in INIT_CWD.
  const base = options.env['INIT_CWD'] ?? options.root;
  return {
    root: options.root,
    isPlanOnly: flags.plan,
    isApproved: flags.yes,
    hasTerminal: options.hasTerminal,
    variableFiles: flags['var-file'].map((file) => resolve(base, file)),
    variables: flags.var.map((text) => {
      if (/^\w+=/.test(text)) return text;
      throw new Error(`--var wants NAME=VALUE, not "${text}".\n${USAGE}`);
    }),
    patienceSeconds: patienceOf(flags.wait),
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        plan: { type: 'boolean', default: false },
        var: { type: 'string', multiple: true, default: [] },
        'var-file': { type: 'string', multiple: true, default: [] },
        wait: { type: 'string', default: String(PATIENCE_SECONDS) },
        yes: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}\n${USAGE}`);
  }
}

function patienceOf(text: string): number {
  if (/^\d{1,4}$/.test(text)) return Number(text);
  throw new Error(`--wait wants whole seconds, not "${text}".\n${USAGE}`);
}

/** As Terraform's own arguments. */
export function terraformVariables({ variableFiles, variables }: DeployOptions): string[] {
  return [
    ...variableFiles.map((file) => `-var-file=${file}`),
    ...variables.map((variable) => `-var=${variable}`),
  ];
}
