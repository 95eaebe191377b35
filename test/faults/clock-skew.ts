/**
 * Preloaded into a function's process. Shifts `Date` by an offset of FAULT_CLOCK_MS (a list, in milliseconds); each SIGUSR2
 * switches to the next offset. The monotonic clock (performance.now) is not affected.
 */
const offsetsMs = (process.env['FAULT_CLOCK_MS'] ?? '0').split(',').map(Number);
let at = 0;
process.on('SIGUSR2', () => {
  at = (at + 1) % offsetsMs.length;
});

const realNow = Date.now.bind(Date);
const skewedNow = () => realNow() + (offsetsMs[at] ?? 0);
globalThis.Date = new Proxy(Date, {
  construct: (real, args, target) =>
    Reflect.construct(real, args.length === 0 ? [skewedNow()] : args, target),
  apply: (real) => new real(skewedNow()).toString(),
  get: (real, name) => (name === 'now' ? skewedNow : Reflect.get(real, name)),
});
