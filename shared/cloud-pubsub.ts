/** The Pub/Sub client, re-exported from its own file so that the build writes it once for all functions. */
export { PubSub } from '@google-cloud/pubsub';
