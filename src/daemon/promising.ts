/**
 * Promises as a daemon makes and checks them: our signature (and the key of our content) under the escrow that its receiver can
 * verify, made and verified by the worker threads. Nothing of them leaves before it is recorded; that is the driver's.
 */
import { signP256 } from '../crypto/ecdsa.ts';
import type { EscrowPool } from '../crypto/escrow-pool.ts';
import { itemOf, joinWitness } from '../exchange/completion.ts';
import { type Parties, template } from '../exchange/contract.ts';
import { affidavitPromise, encodePromise, encodeRelease, promiseCheck, promiseJob } from '../exchange/promise.ts';
import type { ExchangeRecord } from '../exchange/record.ts';
import { PeerFault } from '../lib/errors.ts';
import type { ContentOfExchanges } from './deliveries.ts';
import { ownRole } from './exchange-effects.ts';
import type { Exchange } from './exchange-record.ts';
import type { Keyring } from './keyring.ts';

export interface Made {
  readonly promise: Uint8Array;
  readonly release: Uint8Array;
}

export interface PromisingPorts {
  readonly keyring: Keyring;
  readonly pool: EscrowPool;
  readonly content: Pick<ContentOfExchanges, 'key'>;
}

export function createPromising(ports: PromisingPorts) {
  /** Our signature and the promise of it: nothing of them leaves before they are recorded. */
  const makePromise = async (exchange: Exchange): Promise<Made> => {
    const role = ownRole(exchange.role);
    const { signing } = ports.keyring.secrets();
    const signature = signP256(signing, template(exchange.record, role, exchange.parties).signedAttributes);
    const gives = itemOf(exchange.record, role).kind === 'content';
    const witness = joinWitness(signature, gives ? await ports.content.key(exchange.record) : null);
    const release = encodeRelease(exchange.record, role, witness);
    if (exchange.record.mode === 'affidavit')
      return { release, promise: affidavitPromise(exchange.record, role, signing, exchange.parties) };
    const job = promiseJob(exchange.record, role, witness, exchange.parties);
    const proof = await ports.pool.prove(job.label, job.witnesses, job.keys);
    return { release, promise: encodePromise({ noncePoint: job.noncePoint, proof }) };
  };

  /** Throws `PeerFault` for a promise that does not stand. */
  const verifyPromise = async (
    exchange: { readonly record: ExchangeRecord; readonly parties: Parties },
    role: 'O' | 'R',
    promise: Uint8Array,
  ): Promise<void> => {
    const check = promiseCheck(exchange.record, role, promise, exchange.parties);
    if (check.kind === 'affidavit') return;
    if (!(await ports.pool.verify(check.label, check.proof, check.keys)))
      throw new PeerFault('bad-proof', 'the promise does not verify');
  };

  return { makePromise, verifyPromise };
}
