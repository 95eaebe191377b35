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

/** Modules that are replaced: the path that imports them, and the code instead. */
const REPLACED: readonly (readonly [RegExp, string])[] = [
  // It loads gRPC for a kind of connection that this system does not use.
  [/\/sql-data-client\.js$/, 'export class SqlDataClient {}'],
  // It uploads files in parts, for which it loads an XML parser.
  [/\/transfer-manager\.js$/, 'export class TransferManager {}'],
  // The Gmail module loads it for HTTP/2, which is off.
  [/^\.\/http2$/, 'module.exports = {};'],
  // qs detects cycles with it. The keys are objects, and the package loads a dozen others for old runtimes.
  [/^side-channel$/, 'module.exports = () => new WeakMap();'],
  // It adds streams to a runtime that has none, and loads those of Node to find out.
  [/^\.\/streams\.cjs$/, 'module.exports = {};'],
];

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

    for (const [filter, contents] of REPLACED) {
      const namespace = `${NAMESPACE}/${filter.source}`;
      onResolve({ filter }, ({ path }) => ({ path, namespace }));
      onLoad({ filter: /.*/, namespace }, () => ({ contents }));
    }

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
