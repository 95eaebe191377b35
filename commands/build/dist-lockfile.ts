/**
 * The `package-lock.json` of `dist/`, so that an image build installs with `npm ci` exactly the packages that the tests ran
 * with. It is the part of the project's own lockfile that the packages of `dist/` need, and names no registry.
 */

interface LockedPackage {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
  /** The address it was downloaded from. */
  readonly resolved?: string;
}

export interface Lockfile {
  readonly lockfileVersion: number;
  /** By path: `node_modules/express`. */
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly engines: object;
  readonly dependencies: Readonly<Record<string, string>>;
}

/** @throws {Error} when the project's lockfile lacks a package */
export function distLockfile(manifest: Manifest, { lockfileVersion, packages }: Lockfile): Lockfile {
  const { name, version, engines, dependencies } = manifest;
  const paths = new Set<string>();
  const pending = Object.keys(dependencies).map((dependency) => ({ from: '', dependency }));
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const path = resolvePath(packages, next);
    if (paths.has(path)) continue;
    paths.add(path);
    for (const dependency of dependenciesOf(packages[path])) pending.push({ from: path, dependency });
  }
  const root = { name, version, dependencies, engines };
  const entries = [...paths].sort().map((path) => {
    const { resolved, ...entry } = packages[path] ?? {};
    return [path, entry] as const;
  });
  const lockfile = { name, version, lockfileVersion, requires: true };
  return { ...lockfile, packages: { '': root, ...Object.fromEntries(entries) } };
}

/** Without optional peers: npm does not install them. */
function dependenciesOf(entry: LockedPackage | undefined): string[] {
  const { dependencies, optionalDependencies, peerDependencies, peerDependenciesMeta } = entry ?? {};
  const peers = Object.keys(peerDependencies ?? {}).filter((name) => !peerDependenciesMeta?.[name]?.optional);
  return [...Object.keys({ ...dependencies, ...optionalDependencies }), ...peers];
}

/** As Node finds a package: in the `node_modules` of the folder that needs it, else of each folder above. */
function resolvePath(
  packages: Lockfile['packages'],
  { from, dependency }: { readonly from: string; readonly dependency: string },
): string {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('node_modules/') - 1))) {
    const path = `${folder === '' ? '' : `${folder}/`}node_modules/${dependency}`;
    if (path in packages) return path;
    if (folder === '')
      throw new Error(`package-lock.json has no ${dependency}. Run \`npm ci\` and build again.`);
  }
}
