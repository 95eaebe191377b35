/** Counters over all rounds. */
export class Summary {
  rounds = 0;
  delivered = 0;
  stored = 0;
  gone = 0;
  ignored = 0;
  /** Messages that were dead because Gmail kept rejecting them. Each is stored after the fault has ended. */
  dead = 0;
  lost = 0;
  duplicated = 0;
  violations = 0;
  /** Injected faults by name. */
  readonly faults = new Map<string, number>();

  fault(name: string, count = 1): void {
    if (count > 0) this.faults.set(name, (this.faults.get(name) ?? 0) + count);
  }

  get faultCount(): number {
    return [...this.faults.values()].reduce((sum, count) => sum + count, 0);
  }
}
