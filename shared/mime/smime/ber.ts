/** Re-exports the BER reader of `signed-data.ts` in a separate file, so that the bundler can load it lazily. */
export { fromBER } from 'asn1js';
