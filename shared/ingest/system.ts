/** Puts the system of an instance together: once, kept between its invocations. */
import { hostname } from 'node:os';
import type { Config } from '../config.ts';
import { credentialFingerprint } from '../credentials.ts';
import type { Database } from '../db/database.ts';
import { type Clock, monotonicClock } from '../deadline.ts';
import { createGmailClient } from '../gmail/gmail-client.ts';
import type { Pacer } from '../gmail/pacer.ts';
import type { Log } from '../log.ts';
import { type Random, realSleep, type Sleep } from '../retry.ts';
import { LargeGate } from './large-gate.ts';
import type { System } from './run.ts';

/** Time and chance, where a test owns them; the pace, where a benchmark does. */
export interface Seams {
  readonly clock?: Clock;
  readonly random?: Random;
  readonly sleep?: Sleep;
  readonly pacer?: Pacer;
}

/** What a system is made of. */
export interface SystemBase {
  readonly config: Config;
  readonly db: Database;
  readonly log: Log;
  readonly seams?: Seams;
  /** Google did not take the credentials. */
  readonly onCredentialsRefused?: () => void;
}

export function createSystem(base: SystemBase): System {
  const { config, db, log } = base;
  const { clock = monotonicClock, random = Math.random, sleep = realSleep } = base.seams ?? {};
  const { gmail: credentials, gmailApiRootUrl: rootUrl, oauthTokenUrl: tokenUrl } = config;
  return {
    config,
    db,
    log,
    gmail:
      credentials === null
        ? null
        : createGmailClient({
            credentials,
            rootUrl,
            tokenUrl,
            random,
            sleep,
            ...(base.seams?.pacer && { pacer: base.seams.pacer }),
            ...(base.onCredentialsRefused && { onCredentialsRefused: base.onCredentialsRefused }),
          }),
    credentialFingerprint: credentials === null ? null : credentialFingerprint(credentials),
    holder: `${hostname()}:${process.pid}`,
    largeGate: new LargeGate(),
    clock,
    random,
    sleep,
  };
}
