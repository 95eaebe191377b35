/** The options of `npm run deploy`, validated. */
import type { Environment } from '../../shared/config.ts';
import { callerPath } from '../support/caller-path.ts';
import { invalidArgument, readFlags, UsageError, wholeNumber } from '../support/flags.ts';

/**
 * A grant takes up to two minutes to take effect everywhere, rarely longer, and the first call of a new version migrates the
 * schema. https://docs.cloud.google.com/iam/docs/access-change-propagation
 */
const RETRY_FOR_SECONDS = 120;

export const USAGE = `Usage: npm run deploy [-- OPTIONS]
Builds, applies terraform/, and checks the deployment. Stops at the first failure. It is safe to run again.
  --plan           changes nothing: builds, and shows what Terraform would change
  --yes            applies without Terraform's question; needed without a terminal
  --var-file FILE  passed to Terraform; may be repeated
  --var NAME=VALUE passed to Terraform; may be repeated
  --wait SECONDS   how long to retry while status rejects calls or does not answer (default ${RETRY_FOR_SECONDS})`;

export interface DeployOptions {
  /** The folder of the project. */
  readonly root: string;
  readonly isPlanOnly: boolean;
  readonly isApproved: boolean;
  /** The operator can answer Terraform's question. */
  readonly hasTerminal: boolean;
  /** Absolute paths. */
  readonly variableFiles: readonly string[];
  /** `name=value` */
  readonly variables: readonly string[];
  readonly retryForSeconds: number;
}

/** @throws {UsageError} */
export function readDeployOptions(
  args: readonly string[],
  options: { readonly root: string; readonly env: Environment; readonly hasTerminal: boolean },
): DeployOptions {
  const flags = readFlags(
    {
      plan: { type: 'boolean', default: false },
      var: { type: 'string', multiple: true, default: [] },
      'var-file': { type: 'string', multiple: true, default: [] },
      wait: { type: 'string', default: String(RETRY_FOR_SECONDS) },
      yes: { type: 'boolean', default: false },
    },
    args,
  );
  if (flags.plan && flags.yes) throw new UsageError('--plan and --yes exclude each other.');
  return {
    root: options.root,
    isPlanOnly: flags.plan,
    isApproved: flags.yes,
    hasTerminal: options.hasTerminal,
    variableFiles: flags['var-file'].map((file) => callerPath(file, options.env)),
    variables: flags.var.map((text) => {
      if (/^\w+=/.test(text)) return text;
      throw invalidArgument('--var', text, 'NAME=VALUE');
    }),
    retryForSeconds: wholeNumber('--wait', flags.wait, { max: 9_999 }),
  };
}

/** As arguments of Terraform. */
export function terraformVariables({ variableFiles, variables }: DeployOptions): string[] {
  return [
    ...variableFiles.map((file) => `-var-file=${file}`),
    ...variables.map((variable) => `-var=${variable}`),
  ];
}
