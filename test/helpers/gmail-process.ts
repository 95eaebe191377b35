/**
 * Runs an emulated Gmail as a separate process: `node gmail-process.ts '{"quotaUnitsPerMinute":null}'` prints its URLs as
 * JSON. With `"seed"`, its random numbers are reproducible.
 */
import { EmulatedGmail, startEmulatedGmail } from '../../emulators/gmail/emulated-gmail.ts';
import { seededRandom } from '../../emulators/seeded-random.ts';

const { seed, ...options } = JSON.parse(process.argv[2] ?? '{}');
const random = seed === undefined ? Math.random : seededRandom(seed);
const gmail = new EmulatedGmail({ random, ...options });
const { rootUrl, tokenUrl, controlUrl, port } = await startEmulatedGmail(gmail);
process.stdout.write(`${JSON.stringify({ rootUrl, tokenUrl, controlUrl, port })}\n`);
