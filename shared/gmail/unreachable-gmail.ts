/** A Gmail client for a mailbox whose access cannot be read: every call fails with the reason, and the run records it. */
import type { AppError } from '../errors.ts';
import type { GmailClient } from './gmail-client.ts';

export function unreachableGmail(reason: AppError): GmailClient {
  const reject = async (): Promise<never> => {
    throw reason;
  };
  return {
    getProfile: reject,
    listHistory: reject,
    listMessages: reject,
    listLabels: reject,
    getRawMessage: reject,
    getMetadata: reject,
    watch: reject,
    stopWatch: reject,
  };
}
