/**
 * Leaves out of the bundle of Google's packages the code that a cold start would load and never use. The packages
 * themselves are unchanged.
 */
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import type { Plugin } from 'esbuild';

const require = createRequire(import.meta.url);

const NAMESPACE = 'lighter-google-packages';
const GLOBALS = `${NAMESPACE}/globals`;

const SQL_DATA = `${NAMESPACE}/sql-data`;
const TRANSFER_MANAGER = `${NAMESPACE}/transfer-manager`;

/** For esbuild's `inject`. */
export const INJECTED_GLOBALS = [GLOBALS];

export const lighterGooglePackages: Plugin = {
  name: NAMESPACE,
  setup: ({ onLoad, onResolve }) => {
    // The Gmail module uses one function of googleapis-common, but its index loads every authentication method.
    onResolve({ filter: /^googleapis-common$/ }, () => ({
      path: require.resolve('googleapis-common/build/src/apirequest.js'),
    }));

    // The connector uses one version of the Admin API.
    onResolve({ filter: /^@googleapis\/sqladmin$/ }, () => ({
      path: require.resolve('@googleapis/sqladmin/build/v1beta4.js'),
    }));

    // It loads gRPC for a kind of connection that this system does not use.
    onResolve({ filter: /\/sql-data-client\.js$/ }, () => ({ path: SQL_DATA, namespace: NAMESPACE }));
    onLoad({ filter: new RegExp(`^${SQL_DATA}$`), namespace: NAMESPACE }, () => ({
      contents: 'export class SqlDataClient {}',
    }));

    // It uploads files in parts, for which it loads an XML parser.
    onResolve({ filter: /\/transfer-manager\.js$/ }, () => ({
      path: TRANSFER_MANAGER,
      namespace: NAMESPACE,
    }));
    onLoad({ filter: new RegExp(`^${TRANSFER_MANAGER}$`), namespace: NAMESPACE }, () => ({
      contents: 'export class TransferManager {}',
    }));

    // Node's global Headers and FormData load all of its fetch. Google's packages use node-fetch, which has its own.
    onResolve({ filter: new RegExp(`^${GLOBALS}$`) }, ({ path }) => ({ path, namespace: NAMESPACE }));
    onLoad({ filter: new RegExp(`^${GLOBALS}$`), namespace: NAMESPACE }, () => ({
      contents: "export { FormData, Headers } from 'node-fetch';",
      resolveDir: dirname(require.resolve('gaxios')),
    }));

    // An ES import reads every export of node:http, and some of them load Node's fetch as well.
    onResolve({ filter: /^node:https?$/ }, ({ kind, path }) =>
      kind === 'import-statement' ? { path, namespace: NAMESPACE } : undefined,
    );
    onLoad({ filter: /^node:https?$/, namespace: NAMESPACE }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule('${path}');`,
    }));
  },
};
