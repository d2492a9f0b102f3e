/**
 * The cryptography that one contract cannot do without, in a row in one thread: each side signs, proves, verifies the
 * other's promise and its signature. Certificates are parsed already, nothing is stored or sent.
 */
import { randomBytes } from 'node:crypto';
import { signP256 } from '../src/crypto/ecdsa.ts';
import { prove, verify } from '../src/crypto/escrow.ts';
import { sha256 } from '../src/crypto/hash.ts';
import { template } from '../src/exchange/contract.ts';
import { isSignatureOf, promiseJob } from '../src/exchange/promise.ts';
import { assert } from '../src/lib/assert.ts';
import { makeMeeting } from './parties.ts';

export interface Spent {
  readonly wallMs: number;
  readonly cpuMs: number;
}

export async function contractCryptography(): Promise<() => Spent> {
  const { parties, keys, recordFor } = await makeMeeting();
  return () => {
    const record = recordFor(sha256(randomBytes(32)));
    const before = process.cpuUsage();
    const start = performance.now();
    for (const role of ['O', 'R'] as const) {
      const signature = signP256(keys[role], template(record, role, parties).signedAttributes);
      const job = promiseJob(record, role, signature, parties);
      const proof = prove(job.label, job.witnesses, job.keys, randomBytes(32));
      assert(verify(job.label, proof, job.keys), 'the proof holds');
      assert(isSignatureOf(record, role, parties, signature), 'the signature holds');
    }
    const wallMs = performance.now() - start;
    const { user, system } = process.cpuUsage(before);
    return { wallMs, cpuMs: (user + system) / 1000 };
  };
}
