/** What we take of Google's packages, in files of their own: the build writes each once, for all functions. */
export { CloudSchedulerClient } from '@google-cloud/scheduler';
