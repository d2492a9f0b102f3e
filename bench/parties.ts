/** Two traders, an arbiter and a record between them, without daemons: for what is measured inside one process. */
import type { KeyObject } from 'node:crypto';
import { sha256 } from '../src/crypto/hash.ts';
import { generateKem } from '../src/crypto/kem.ts';
import { generateSigningKey } from '../src/crypto/keys.ts';
import { parseCertificate, selfSigned } from '../src/crypto/pki/certificate.ts';
import { generateVerifierKey } from '../src/crypto/verifier-key.ts';
import { makeRecord, type Parties } from '../src/exchange/contract.ts';
import type { ExchangeRecord } from '../src/exchange/record.ts';
import { utf8 } from '../src/lib/bytes.ts';
import { newId, systemRng } from '../src/lib/rng.ts';

export interface Meeting {
  readonly parties: Parties;
  readonly keys: { readonly O: KeyObject; readonly R: KeyObject };
  /** A record of its own for every document. */
  recordFor(document: Uint8Array): ExchangeRecord;
}

export async function makeMeeting(): Promise<Meeting> {
  const now = Math.floor(Date.now() / 1000);
  const person = async (name: string) => {
    const key = generateSigningKey();
    const der = await selfSigned({ key, name, notBefore: now - 3600, notAfter: now + 365 * 86_400 });
    return { key, certificate: parseCertificate(der) };
  };
  const [o, r, t] = [await person('Trader Elm'), await person('Trader Oak'), await person('Notary')];
  const parties: Parties = {
    O: { certificate: o.certificate, verifier: generateVerifierKey().public },
    R: { certificate: r.certificate, verifier: generateVerifierKey().public },
    T: { certificate: t.certificate, kem: generateKem().public, terms: sha256(utf8('terms')) },
  };
  return {
    parties,
    keys: { O: o.key, R: r.key },
    recordFor: (document) =>
      makeRecord(
        {
          originator: o.certificate.hash,
          responder: r.certificate.hash,
          arbiter: t.certificate.hash,
          terms: parties.T.terms,
          mode: 'invisible',
          check: 'none',
          notAfter: now + 30 * 86_400,
          margin: 86_400,
          deal: newId(systemRng),
          document,
          itemO: { kind: 'document', digest: document },
          itemR: { kind: 'document', digest: document },
        },
        parties,
        { nonce: systemRng(32), signingTime: now, sealed: null },
      ),
  };
}
