/** The Cloud Scheduler client, re-exported from its own file so that the build writes it once for all functions. */
export { CloudSchedulerClient } from '@google-cloud/scheduler';
