/** Timestamp authorities for tests: certificates as RFC 3161 wants them, and `openssl ts` as an authority that answers. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { oid, sequence } from '../../src/crypto/pki/der.ts';
import { toPem } from '../../src/crypto/pki/pem.ts';
import { type Authority, DIGITAL_SIGNATURE, extension, type IssueOptions, issue } from './identities.ts';
import { openssl } from './openssl.ts';

export const PRESENT = Math.floor(Date.now() / 1000);
export const VALID = { notBefore: PRESENT - 86_400, notAfter: PRESENT + 86_400 } as const;
const TIME_STAMPING = '1.3.6.1.5.5.7.3.8';

export function purposes(critical: boolean, ...ids: readonly string[]): Uint8Array {
  return extension('2.5.29.37', critical, sequence(...ids.map(oid)));
}

export const FOR_TIMESTAMPS = purposes(true, TIME_STAMPING);

/** A certificate whose only purpose is timestamps, unless told otherwise. */
export function stamper(options: Partial<IssueOptions> = {}): Authority {
  return issue({ name: 'Stamper', ...VALID, keyUsage: DIGITAL_SIGNATURE, extensions: [FOR_TIMESTAMPS], ...options });
}

export function pemOf(...authorities: readonly Authority[]): string {
  return authorities.map((one) => toPem('CERTIFICATE', one.certificate.der)).join('');
}

export interface OpensslAuthority {
  /** TimeStampResp to a TimeStampReq. */
  answer(request: Uint8Array): Uint8Array;
}

/** `openssl ts -reply` with its files in `folder`. `settings` are lines of its configuration. */
export function opensslAuthority(
  folder: string,
  signer: Authority,
  chain: readonly Authority[] = [],
  settings: readonly string[] = [],
): OpensslAuthority {
  const at = (name: string): string => join(folder, name);
  writeFileSync(at('tsa.pem'), pemOf(signer));
  writeFileSync(at('tsa-chain.pem'), pemOf(...chain));
  writeFileSync(at('tsa.key'), signer.key.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 });
  const lines = [
    'default_tsa = authority',
    '[authority]',
    'serial = tsa.serial',
    'signer_digest = sha256',
    'default_policy = 1.2.3.4.1',
    'digests = sha256, sha512',
    'ess_cert_id_alg = sha256',
    'accuracy = secs:1, millisecs:500, microsecs:100',
    'ordering = yes',
    'tsa_name = yes',
  ];
  // Later lines win.
  writeFileSync(at('tsa.cnf'), ['[tsa]', ...lines, ...settings, ''].join('\n'));
  return {
    answer(request) {
      writeFileSync(at('tsa.tsq'), request);
      rmSync(at('tsa.tsr'), { force: true });
      const args = 'ts -reply -config tsa.cnf -section authority -queryfile tsa.tsq -inkey tsa.key -signer tsa.pem';
      const chained = chain.length === 0 ? [] : ['-chain', 'tsa-chain.pem'];
      const said = openssl([...args.split(' '), ...chained, '-out', 'tsa.tsr'], { cwd: folder });
      if (!said.ok) throw new Error(said.text);
      return new Uint8Array(readFileSync(at('tsa.tsr')));
    },
  };
}
