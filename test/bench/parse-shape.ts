/** Reads one email of `mime-shapes.ts` and prints what it took: the shape's index and the bytes are the arguments. */
import { parseEmail } from '../../shared/mime/parse-email.ts';
import { SHAPES } from './mime-shapes.ts';
import type { Measured } from './parse-shapes.ts';

const [index = '0', bytes = '1048576'] = process.argv.slice(2);
const shape = SHAPES[Number(index)];
if (shape === undefined) throw new Error(`There is no shape ${index}.`);
// Small ones first: the libraries are loaded and the code is compiled, as in an instance that has read some emails.
for (let n = 0; n < 3; n += 1) for (const one of SHAPES) await parseEmail(one.make(4_096));
const email = shape.make(Number(bytes));
const residentBefore = process.memoryUsage.rss() - email.length;
let peak = 0;
const startedAt = process.cpuUsage();
await parseEmail(email);
const { user, system } = process.cpuUsage(startedAt);
peak = process.resourceUsage().maxRSS * 1024;
const measured: Measured = {
  bytes: email.length,
  cpuMs: (user + system) / 1_000,
  peakBytes: peak - residentBefore,
};
process.stdout.write(JSON.stringify(measured));
