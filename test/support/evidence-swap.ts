/**
 * A finished swap and its evidence, made of the real parts: note, record, both statements' signatures, log. The author gives a
 * licence key, called a credential; the addressee two files. Whose content is said to be wrong has sealed another text.
 */
import { completeDocument, exchangeTerms, parseDocument } from '../../src/commerce/document.ts';
import { noteOf } from '../../src/commerce/note.ts';
import { logEntryOf, makeTransaction } from '../../src/commerce/transaction.ts';
import { signP256 } from '../../src/crypto/ecdsa.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { generateKem } from '../../src/crypto/kem.ts';
import type { Certificate } from '../../src/crypto/pki/certificate.ts';
import { generateVerifierKey } from '../../src/crypto/verifier-key.ts';
import type { SwapInput } from '../../src/evidence/swap.ts';
import { joinWitness } from '../../src/exchange/completion.ts';
import { makeRecord, type Parties, template } from '../../src/exchange/contract.ts';
import { type CredentialTerms, describeCredential } from '../../src/exchange/credential.ts';
import type { Document } from '../../src/exchange/document.ts';
import type { Role } from '../../src/exchange/items.ts';
import type { ExchangeRecord } from '../../src/exchange/record.ts';
import type { ContentTerms } from '../../src/exchange/terms.ts';
import { utf8 } from '../../src/lib/bytes.ts';
import { systemRng } from '../../src/lib/rng.ts';
import { type GivenFile, makeContent } from './contents.ts';
import { NOW, type Scene } from './evidence.ts';

const DAY = 86_400;
const WINDOW = 3600;
/** Of the salts of all content. */
export const SEED = new Uint8Array(32).fill(5);
/** SHA-256 of the contract under which both give. */
export const CONTRACT = sha256(utf8('a contract'));

export interface SwapParts {
  readonly note: Document;
  readonly record: ExchangeRecord;
  readonly parties: Parties;
  /** Of each side: signature on its statement of origin, and key. */
  readonly witnesses: Record<Role, Uint8Array>;
  readonly input: SwapInput & { readonly origins: Record<Role, Uint8Array> };
  /** By role: what each side gives; the author is `R`. */
  readonly files: Record<Role, readonly GivenFile[]>;
  /** That the content of the role is wrong: it is, if `wrong` says so. */
  proof(role: Role): Uint8Array;
}

interface Options {
  readonly signingTime?: number;
  readonly extra?: readonly Certificate[];
  readonly wrong?: Role;
  /** Of whose first file the note names another digest. */
  readonly misdescribed?: Role;
  /** What the note calls the author's file. */
  readonly credential?: CredentialTerms;
}

/** The scene's author answered, the addressee accepted. */
export function makeSwap(scene: Scene, options: Options = {}): SwapParts {
  const { author, addressee, arbiter } = scene;
  const terms = sha256(utf8('terms'));
  const licence = { name: 'licence.txt', data: utf8('K3Y-0001\n') };
  const files = {
    O: [
      { name: 'plan 1.txt', data: utf8('a drawing\n') },
      { name: 'empty.bin', data: new Uint8Array() },
    ],
    R: [licence],
  };
  const credential = options.credential ?? describeCredential(licence.data);
  const made = (role: Role) => ({ seed: SEED, ...(options.wrong === role ? { wrongChunk: 0 } : {}) });
  const contents = {
    O: makeContent(files.O, made('O')),
    R: makeContent(files.R, { credential, ...made('R') }),
  };
  const described = (role: Role): ContentTerms => {
    const [first, ...rest] = contents[role].terms.files;
    if (first === undefined || options.misdescribed !== role) return contents[role].terms;
    return { ...contents[role].terms, files: [{ ...first, sha256: sha256(utf8('another')) }, ...rest] };
  };
  const [own, other] = [described('R'), described('O')];
  const text = completeDocument(utf8(noteOf(own, WINDOW, 'As agreed.', { other })), {
    deal: 'd7q2m3xdp9aa',
    author: { name: 'First Trader', certificate: author.certificate.hash },
    addressee: { name: 'Second Trader', certificate: addressee.certificate.hash },
    arbiter: { name: 'Notary', certificate: arbiter.certificate.hash, terms },
    mode: 'invisible',
    offerUntil: NOW + 7 * DAY,
    notAfter: NOW + 14 * DAY,
    margin: 90_000,
    delivery: { content: own, check: `window=${WINDOW}`, swap: { other } },
    references: [CONTRACT],
  });
  const note = parseDocument(text);
  const parties: Parties = {
    O: { certificate: addressee.certificate, verifier: generateVerifierKey().public },
    R: { certificate: author.certificate, verifier: generateVerifierKey().public },
    T: { certificate: arbiter.certificate, kem: generateKem().public, terms },
  };
  const record = makeRecord(exchangeTerms(note), parties, {
    nonce: systemRng(32),
    signingTime: options.signingTime ?? NOW,
    sealed: { O: contents.O.sealed, R: contents.R.sealed },
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
  const origins = {
    O: signP256(addressee.key, template(record, 'O', parties).signedAttributes),
    R: signP256(author.key, template(record, 'R', parties).signedAttributes),
  };
  const witnesses = { O: joinWitness(origins.O, contents.O.key), R: joinWitness(origins.R, contents.R.key) };
  return {
    note,
    record,
    parties,
    witnesses,
    files,
    input: {
      note: text,
      record,
      origins,
      certificates: [author, addressee, arbiter]
        .map((one) => one.certificate.der)
        .concat((options.extra ?? []).map((one) => one.der)),
      log: [offer].map(logEntryOf),
    },
    proof: (role) => contents[role].proof(witnesses[role], 0),
  };
}
