/** The BER reader of `signed-data.ts`, in a file of its own so that it is loaded late. */
export { fromBER } from 'asn1js';
