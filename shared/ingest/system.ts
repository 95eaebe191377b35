/** Puts the system of an instance together: once, kept between its invocations. */
import { hostname } from 'node:os';
import { type Config, credentialFingerprint } from '../config.ts';
import type { Database } from '../db/database.ts';
import { monotonicClock } from '../deadline.ts';
import { createGmailClient } from '../gmail/gmail-client.ts';
import type { Log } from '../log.ts';
import { realSleep } from '../retry.ts';
import { LargeGate } from './large-gate.ts';
import type { System } from './run.ts';

export function createSystem(base: { config: Config; db: Database; log: Log }): System {
  const { gmail: credentials, gmailApiRootUrl: rootUrl, oauthTokenUrl: tokenUrl } = base.config;
  return {
    ...base,
    gmail: credentials === null ? null : createGmailClient({ credentials, rootUrl, tokenUrl }),
    credentialFingerprint: credentials === null ? null : credentialFingerprint(credentials),
    holder: `${hostname()}:${process.pid}`,
    largeGate: new LargeGate(),
    clock: monotonicClock,
    random: Math.random,
    sleep: realSleep,
  };
}
