/** How a target is reached, for the pool of the functions and for the one connection that migrates. */
import type { ClientConfig } from 'pg';
import type { DatabaseTarget } from '../config.ts';

export function connectionTo(target: DatabaseTarget): ClientConfig {
  if (target.kind === 'url') return { connectionString: target.url };
  return {
    // Cloud Run mounts the socket of an attached instance here; it encrypts and checks the way to it.
    host: `/cloudsql/${target.instance}`,
    database: target.database,
    user: target.user,
    password: iamLoginToken,
  };
}

/** Loaded late: only Cloud SQL asks for it. */
async function iamLoginToken(): Promise<string> {
  const { readIamLoginToken } = await import('./iam-login.ts');
  return await readIamLoginToken();
}
