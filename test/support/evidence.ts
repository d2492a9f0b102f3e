/** A finished contract and its evidence, made of the real parts: completed document, record, both signatures, log. */
import { completeDocument, type Document, exchangeTerms, parseDocument } from '../../src/commerce/document.ts';
import { logEntryOf, makeTransaction } from '../../src/commerce/transaction.ts';
import { signP256 } from '../../src/crypto/ecdsa.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { generateKem } from '../../src/crypto/kem.ts';
import type { Certificate } from '../../src/crypto/pki/certificate.ts';
import { generateVerifierKey } from '../../src/crypto/verifier-key.ts';
import type { EvidenceInput } from '../../src/evidence/bundle.ts';
import { statementText } from '../../src/exchange/affidavit.ts';
import { makeResolved, verifyAnswer } from '../../src/exchange/answers.ts';
import { completeContract, makeRecord, type Parties, type Signatures, template } from '../../src/exchange/contract.ts';
import { affidavitPromise } from '../../src/exchange/promise.ts';
import type { ExchangeRecord } from '../../src/exchange/record.ts';
import type { Mode } from '../../src/exchange/terms.ts';
import { utf8 } from '../../src/lib/bytes.ts';
import { systemRng } from '../../src/lib/rng.ts';
import { type Identity, NOW, trader, YEAR } from './identities.ts';

const DAY = 86_400;

export interface Scene {
  /** Offers: the responder. */
  readonly author: Identity;
  /** Accepts: the originator. */
  readonly addressee: Identity;
  readonly arbiter: Identity;
}

export interface Contract {
  readonly document: Document;
  readonly record: ExchangeRecord;
  readonly parties: Parties;
  readonly signatures: Signatures;
  readonly input: EvidenceInput & { readonly proof: { readonly p7s: Uint8Array } };
}

export async function makeScene(): Promise<Scene> {
  const [author, addressee, arbiter] = await Promise.all(['First', 'Second', 'Notary'].map((name) => trader(name)));
  if (author === undefined || addressee === undefined || arbiter === undefined) throw new Error('three people');
  return { author, addressee, arbiter };
}

const attachment = { name: 'plan 1.txt', data: utf8('a drawing\n') };
const BODY = `+++
[[attachment]]
name = "${attachment.name}"
size = ${attachment.data.length}
sha256 = "${Buffer.from(sha256(attachment.data)).toString('hex')}"
+++
# Sale of a bicycle

One blue bicycle, ümlaut and all.
`;

export function makeContract(
  scene: Scene,
  options: { readonly mode?: Mode; readonly signingTime?: number; readonly extra?: readonly Certificate[] } = {},
): Contract {
  const { author, addressee, arbiter } = scene;
  const mode = options.mode ?? 'invisible';
  const terms = sha256(utf8('terms'));
  const bytes = completeDocument(utf8(BODY), {
    deal: 'k7q2m3xdp9aa',
    author: { name: 'First Trader', certificate: author.certificate.hash },
    addressee: { name: 'Second Trader', certificate: addressee.certificate.hash },
    arbiter: { name: 'Notary', certificate: arbiter.certificate.hash, terms },
    mode,
    offerUntil: NOW + 7 * DAY,
    notAfter: NOW + 14 * DAY,
    margin: 90_000,
  });
  const document = parseDocument(bytes);
  const kem = generateKem();
  const parties: Parties = {
    O: { certificate: addressee.certificate, verifier: generateVerifierKey().public },
    R: { certificate: author.certificate, verifier: generateVerifierKey().public },
    T: { certificate: arbiter.certificate, kem: kem.public, terms },
  };
  const signingTime = options.signingTime ?? NOW;
  const record = makeRecord(exchangeTerms(document), parties, { nonce: systemRng(32), signingTime, sealed: null });
  const offer = makeTransaction({
    deal: document.terms.deal,
    parent: null,
    by: author.certificate.hash,
    time: NOW - 100,
    payload: {
      kind: 'offer',
      version: 1,
      document: document.digest,
      arbiterCard: sha256(utf8('card')),
      offerUntil: document.terms.offerUntil,
    },
  });
  const reply = makeTransaction({
    deal: document.terms.deal,
    parent: offer.id,
    by: addressee.certificate.hash,
    time: NOW - 50,
    payload: { kind: 'message', text: 'does it have a bell? \u{1f6b2}' },
  });
  const shared = {
    document: bytes,
    certificates: [author, addressee, arbiter]
      .map((one) => one.certificate.der)
      .concat((options.extra ?? []).map((one) => one.der)),
    log: [offer, reply].map(logEntryOf),
    attachments: [attachment],
  };
  const signatures: Signatures = {
    O: signP256(addressee.key, template(record, 'O', parties).signedAttributes),
    R: signP256(author.key, template(record, 'R', parties).signedAttributes),
  };
  if (mode === 'affidavit') {
    const promises = {
      O: affidavitPromise(record, 'O', addressee.key, parties),
      R: affidavitPromise(record, 'R', author.key, parties),
    };
    const keys = { signing: arbiter.key, kemSecret: kem.secret };
    const bytes = makeResolved(record, parties, promises, 'O', keys, signingTime + 60);
    if (bytes === null) throw new Error('no statement');
    const verified = verifyAnswer(record, parties, bytes);
    if (verified.kind !== 'affidavit') throw new Error('no statement');
    const text = statementText(record, promises);
    const proof = { kind: 'affidavit', text, p7s: verified.affidavit.signature } as const;
    return { document, record, parties, signatures, input: { ...shared, proof, answer: { record, bytes } } };
  }
  const p7s = completeContract(record, parties, signatures);
  return { document, record, parties, signatures, input: { ...shared, proof: { kind: 'contract', p7s } } };
}

export { NOW, YEAR };
