/**
 * Runs an emulated Gmail with many accounts as a separate process: `node many-gmail-process.ts '{"accounts":3}'` prints its URLs
 * as JSON. The account with number n has the address of `addressOf(n)`. Started by `many-gmail.ts`.
 */
import { ManyAccounts, startEmulatedGmail } from '../../emulators/gmail/emulated-gmail.ts';
import { seededRandom } from '../../emulators/seeded-random.ts';
import { mailWithAttachment } from '../bench/bench-mail.ts';
import { addressOf, type ManyGmailOptions } from './many-gmail.ts';

const options: ManyGmailOptions = JSON.parse(process.argv[2] ?? '{}');
const {
  accounts: count,
  delivered = {},
  mailBytes = 40_000,
  pushUrl = null,
  seed,
  historyId,
  ...shared
} = options;
const random = seed === undefined ? Math.random : seededRandom(seed);
const accounts = new ManyAccounts({
  random,
  ...shared,
  ...(historyId !== undefined && { historyStart: BigInt(historyId) }),
});
for (let n = 0; n < count; n += 1) {
  const gmail = accounts.add({ emailAddress: addressOf(n) });
  gmail.notifications.url = pushUrl;
  const mails = delivered[n] ?? delivered['all'] ?? 0;
  for (let mail = 0; mail < mails; mail += 1) gmail.deliver(mailWithAttachment(mail, mailBytes));
}
const { rootUrl, tokenUrl, controlUrl, port } = await startEmulatedGmail(accounts);
// What all accounts used, so that a benchmark need not ask thousands of them.
process.on('SIGUSR2', () => {
  const calls: Record<string, number> = {};
  let units = 0;
  for (const { callLog, quota } of accounts.all) {
    units += quota.spentUnits;
    for (const [method, count] of Object.entries(callLog.countByMethod))
      calls[method] = (calls[method] ?? 0) + count;
  }
  process.stdout.write(`${JSON.stringify({ units, calls })}\n`);
});
process.stdout.write(`${JSON.stringify({ rootUrl, tokenUrl, controlUrl, port })}\n`);
