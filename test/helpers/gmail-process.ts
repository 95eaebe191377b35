/** An emulated Gmail in a process of its own: `node gmail-process.ts '{"quotaUnitsPerMinute":null}'` prints its URLs as JSON. */
import { EmulatedGmail, startEmulatedGmail } from '../../local/gmail/emulated-gmail.ts';

const gmail = new EmulatedGmail(JSON.parse(process.argv[2] ?? '{}'));
const { rootUrl, tokenUrl, controlUrl, port } = await startEmulatedGmail(gmail);
process.stdout.write(`${JSON.stringify({ rootUrl, tokenUrl, controlUrl, port })}\n`);
