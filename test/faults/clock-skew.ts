/**
 * Loaded into a function's process before anything else: its clock is wrong by the minutes of FAULT_CLOCK_MS (a list),
 * and jumps to the next of them at each SIGUSR2. What is measured (performance.now) goes on as it is.
 */
const offsetsMs = (process.env['FAULT_CLOCK_MS'] ?? '0').split(',').map(Number);
let at = 0;
process.on('SIGUSR2', () => {
  at = (at + 1) % offsetsMs.length;
});

const realNow = Date.now.bind(Date);
const wrongNow = () => realNow() + (offsetsMs[at] ?? 0);
globalThis.Date = new Proxy(Date, {
  construct: (real, args, target) => Reflect.construct(real, args.length === 0 ? [wrongNow()] : args, target),
  apply: (real) => new real(wrongNow()).toString(),
  get: (real, name) => (name === 'now' ? wrongNow : Reflect.get(real, name)),
});
