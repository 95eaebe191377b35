/** One line about the plans of a request: its statements, their nodes and indexes, and the pages that they read. */

/** @param log what PostgreSQL logged during the request, with the plans of auto_explain */
export function planSummary(log: string): string {
  const plans = log.split(/duration: [\d.]+ ms {2}plan:/).slice(1);
  const nodes = new Map<string, number>();
  let pageCount = 0;
  for (const plan of plans) {
    for (const [, kind = '', index, table] of plan.matchAll(
      /((?:Seq|Index|Index Only|Bitmap Heap|Bitmap Index|Tid) Scan(?: Backward)?)(?: using (\w+))?(?: on (\w+))?/g,
    )) {
      const name = `${kind} ${index ?? table ?? ''}`.trim();
      nodes.set(name, (nodes.get(name) ?? 0) + 1);
    }
    for (const [, kind = ''] of plan.matchAll(/->\s+(Sort|Incremental Sort|Hash Join|Merge Join|BitmapOr) /g))
      nodes.set(kind, (nodes.get(kind) ?? 0) + 1);
    // The first line is that of the root, which includes its children.
    const [, hit = 0, read = 0] = /Buffers: shared(?: hit=(\d+))?(?: read=(\d+))?/.exec(plan) ?? [];
    pageCount += Number(hit) + Number(read);
  }
  const names = [...nodes].map(([name, count]) => (count === 1 ? name : `${name} (${count})`));
  return `${plans.length} statements, ${pageCount} pages: ${names.join(', ')}`;
}
