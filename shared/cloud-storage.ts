/** The Cloud Storage client, re-exported from its own file so that the build writes it once for all functions. */
export { Storage } from '@google-cloud/storage';
