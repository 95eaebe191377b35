/** The google.rpc.Code of an error of Google's clients; null when it has none. */
export function rpcCode(error: unknown): number | null {
  const code = error instanceof Error && 'code' in error ? error.code : null;
  return typeof code === 'number' ? code : null;
}
