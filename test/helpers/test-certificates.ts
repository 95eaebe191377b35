/** A certificate authority for tests, made with the openssl command, because Node cannot sign certificates. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface CertificateAuthority {
  /** PEM. */
  readonly certificate: string;
  /** @returns the PEM of a certificate for this key, valid for a day */
  sign(publicKey: string, commonName: string): string;
}

/**
 * @param folder empty; receives the keys
 * @throws when openssl is not installed
 */
export function createCertificateAuthority(folder: string): CertificateAuthority {
  const path = (name: string) => join(folder, name);
  const openssl = (...args: string[]) => execFileSync('openssl', args, { encoding: 'utf8', stdio: 'pipe' });
  const key = ['-newkey', 'rsa:2048', '-nodes', '-keyout', path('ca.key')];
  openssl('req', '-x509', ...key, '-subj', '/CN=Test CA', '-days', '1', '-out', path('ca.pem'));
  return {
    certificate: readFileSync(path('ca.pem'), 'utf8'),
    sign: (publicKey, commonName) => {
      writeFileSync(path('public.pem'), publicKey);
      const subject = ['-new', '-subj', `/CN=${commonName}`, '-force_pubkey', path('public.pem')];
      return openssl('x509', ...subject, '-CA', path('ca.pem'), '-CAkey', path('ca.key'), '-days', '1');
    },
  };
}
