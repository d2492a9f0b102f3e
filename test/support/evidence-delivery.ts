/** A finished delivery and its evidence, made of the real parts: note, record, both statements' signatures, log. */
import { completeDocument, exchangeTerms, parseDocument } from '../../src/commerce/document.ts';
import { noteOf } from '../../src/commerce/note.ts';
import { logEntryOf, makeTransaction } from '../../src/commerce/transaction.ts';
import { chunksOf } from '../../src/crypto/content.ts';
import { signP256 } from '../../src/crypto/ecdsa.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { generateKem } from '../../src/crypto/kem.ts';
import { publicPoint } from '../../src/crypto/p256.ts';
import type { Certificate } from '../../src/crypto/pki/certificate.ts';
import { generateVerifierKey } from '../../src/crypto/verifier-key.ts';
import type { DeliveryInput } from '../../src/evidence/delivery.ts';
import { joinWitness } from '../../src/exchange/completion.ts';
import { makeRecord, type Parties, template } from '../../src/exchange/contract.ts';
import type { Document } from '../../src/exchange/document.ts';
import type { ExchangeRecord } from '../../src/exchange/record.ts';
import { utf8 } from '../../src/lib/bytes.ts';
import { systemRng } from '../../src/lib/rng.ts';
import { NOW, type Scene } from './evidence.ts';

const DAY = 86_400;
export const WINDOW = 3600;
/** SHA-256 of the contract that the delivery fulfils. */
export const CONTRACT = sha256(utf8('a contract'));

export interface Delivery {
  readonly note: Document;
  readonly record: ExchangeRecord;
  readonly parties: Parties;
  /** The sender's signature on its statement of origin with the key of the content; the receiver's on its receipt. */
  readonly witnesses: { readonly O: Uint8Array; readonly R: Uint8Array };
  readonly input: DeliveryInput & { readonly receipt: Uint8Array };
  readonly files: readonly { readonly name: string; readonly data: Uint8Array }[];
}

/** The scene's author is the sender. */
export function makeDelivery(
  scene: Scene,
  options: { readonly signingTime?: number; readonly extra?: readonly Certificate[] } = {},
): Delivery {
  const { author, addressee, arbiter } = scene;
  const terms = sha256(utf8('terms'));
  const files = [
    { name: 'plan 1.txt', data: utf8('a drawing\n') },
    { name: 'empty.bin', data: new Uint8Array() },
  ];
  const bytes = files.reduce((sum, { data }) => sum + data.length, 0);
  const content = {
    root: sha256(utf8('root')),
    bytes,
    chunks: chunksOf(bytes),
    credential: null,
    files: files.map(({ name, data }) => ({ name, size: data.length, sha256: sha256(data) })),
  };
  const text = completeDocument(utf8(noteOf(content, WINDOW, 'As agreed.')), {
    deal: 'd7q2m3xdp9aa',
    author: { name: 'First Trader', certificate: author.certificate.hash },
    addressee: { name: 'Second Trader', certificate: addressee.certificate.hash },
    arbiter: { name: 'Notary', certificate: arbiter.certificate.hash, terms },
    mode: 'invisible',
    offerUntil: NOW + 7 * DAY,
    notAfter: NOW + 14 * DAY,
    margin: 90_000,
    delivery: { content, check: `window=${WINDOW}` },
    references: [CONTRACT],
  });
  const note = parseDocument(text);
  const parties: Parties = {
    O: { certificate: author.certificate, verifier: generateVerifierKey().public },
    R: { certificate: addressee.certificate, verifier: generateVerifierKey().public },
    T: { certificate: arbiter.certificate, kem: generateKem().public, terms },
  };
  const key = new Uint8Array(32).fill(7);
  const record = makeRecord(exchangeTerms(note), parties, {
    nonce: systemRng(32),
    signingTime: options.signingTime ?? NOW,
    sealed: { O: { point: publicPoint(key), ciphertextRoot: sha256(utf8('ciphertext')) } },
  });
  const offer = makeTransaction({
    deal: note.terms.deal,
    parent: null,
    by: author.certificate.hash,
    time: NOW - 100,
    payload: {
      kind: 'offer',
      version: 1,
      document: note.digest,
      arbiterCard: sha256(utf8('card')),
      offerUntil: note.terms.offerUntil,
    },
  });
  const origin = signP256(author.key, template(record, 'O', parties).signedAttributes);
  const receipt = signP256(addressee.key, template(record, 'R', parties).signedAttributes);
  return {
    note,
    record,
    parties,
    witnesses: { O: joinWitness(origin, key), R: receipt },
    files,
    input: {
      note: text,
      record,
      origin,
      receipt,
      certificates: [author, addressee, arbiter]
        .map((one) => one.certificate.der)
        .concat((options.extra ?? []).map((one) => one.der)),
      log: [offer].map(logEntryOf),
    },
  };
}
