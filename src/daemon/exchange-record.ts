/**
 * What a daemon stores of an exchange: everything that the machine, the proofs and the requests need, so that cards and
 * contacts may change meanwhile without touching an exchange under way. Stored under the archive key (it holds finished
 * signatures of open exchanges, PROTOCOL §12).
 */
import { parseCertificate } from '../crypto/pki/certificate.ts';
import type { Parties } from '../exchange/contract.ts';
import { type Course, PARTY_PHASES, type PartyRole, type PartyState } from '../exchange/party.ts';
import { decodeRecord, type ExchangeRecord, encodeRecord } from '../exchange/record.ts';
import { type Cbor, decode, encode, read } from '../lib/cbor.ts';

const MAX_BYTES = 512 * 1024;
/** A proof of wrong content holds a chunk. */
const MAX_VALUE = 96 * 1024;
const MAX_CERTIFICATE = 8 * 1024;

export interface Exchange {
  /** Hex. */
  readonly xid: string;
  readonly deal: string;
  readonly role: PartyRole;
  readonly record: ExchangeRecord;
  readonly parties: Parties;
  /** Certificate hashes, hex. */
  readonly peer: string;
  readonly arbiter: { readonly certificate: string; readonly peer: string; readonly addresses: readonly string[] };
  /** Id of the consent that this exchange uses up. */
  readonly consent: string;
  /** One-time X25519 key to which the arbiter seals its answers. */
  readonly answerKey: { readonly secret: Uint8Array; readonly public: Uint8Array };
  machine: PartyState<Uint8Array>;
}

export function encodeExchange(exchange: Exchange, machine: PartyState<Uint8Array>): Uint8Array {
  const { parties } = exchange;
  return encode([
    1,
    exchange.xid,
    exchange.deal,
    exchange.role,
    encodeRecord(exchange.record),
    [parties.O.certificate.der, parties.O.verifier],
    [parties.R.certificate.der, parties.R.verifier],
    [parties.T.certificate.der, parties.T.kem, parties.T.terms],
    exchange.peer,
    [exchange.arbiter.certificate, exchange.arbiter.peer, exchange.arbiter.addresses],
    exchange.consent,
    [exchange.answerKey.secret, exchange.answerKey.public],
    [
      machine.phase,
      machine.promise,
      machine.release,
      machine.peerPromise,
      machine.resolve,
      machine.contract,
      machine.token,
      machine.via,
      machine.proof,
      machine.voided,
    ],
  ]);
}

/** Which of the machines' tables the items of a record ask for. */
export function courseOf({ itemO, itemR }: ExchangeRecord): Course {
  if (itemO.kind !== 'content') return 'contract';
  return itemR.kind === 'content' ? 'swap' : 'delivery';
}

const certificate = (value: Cbor | undefined) => parseCertificate(read.blob(value, MAX_CERTIFICATE, 'certificate'));
const optional = (value: Cbor | undefined, what: string) => (value === null ? null : read.blob(value, MAX_VALUE, what));

export function decodeExchange(bytes: Uint8Array): Exchange {
  const [version, xid, deal, role, x, o, r, t, peer, arbiter, consent, answerKey, state] = read.array(
    decode(bytes, MAX_BYTES),
    13,
    'exchange',
  );
  read.literal(version, 1, 'exchange version');
  const record = decodeRecord(read.blob(x, 2048, 'X'));
  const [oCertificate, oVerifier] = read.array(o, 2, 'originator');
  const [rCertificate, rVerifier] = read.array(r, 2, 'responder');
  const [tCertificate, kem, terms] = read.array(t, 3, 'arbiter');
  const [tHash, tPeer, tAddresses] = read.array(arbiter, 3, 'arbiter contact');
  const [secret, open] = read.array(answerKey, 2, 'answer key');
  const [phase, promise, release, peerPromise, resolve, contract, token, via, proof, voided] = read.array(
    state,
    10,
    'machine',
  );
  const partyRole = read.oneOf(role, ['originator', 'responder'], 'role');
  return {
    xid: read.text(xid, 64, 'xid'),
    deal: read.text(deal, 12, 'deal'),
    role: partyRole,
    record,
    parties: {
      O: { certificate: certificate(oCertificate), verifier: read.bytes(oVerifier, 33, 'V') },
      R: { certificate: certificate(rCertificate), verifier: read.bytes(rVerifier, 33, 'V') },
      T: {
        certificate: certificate(tCertificate),
        kem: read.bytes(kem, 32, 'KEM key'),
        terms: read.bytes(terms, 32, 'terms'),
      },
    },
    peer: read.text(peer, 64, 'peer'),
    arbiter: {
      certificate: read.text(tHash, 64, 'arbiter'),
      peer: read.text(tPeer, 128, 'arbiter peer'),
      addresses: read.list(tAddresses, 16, 'addresses').map((one) => read.text(one, 256, 'address')),
    },
    consent: read.text(consent, 64, 'consent'),
    answerKey: { secret: read.bytes(secret, 32, 'answer secret'), public: read.bytes(open, 32, 'answer key') },
    machine: {
      role: partyRole,
      course: courseOf(record),
      phase: read.oneOf(phase, PARTY_PHASES, 'phase'),
      times: { notAfter: record.notAfter, margin: record.margin },
      promise: optional(promise, 'promise'),
      release: optional(release, 'release'),
      peerPromise: optional(peerPromise, 'peer promise'),
      resolve: optional(resolve, 'resolve request'),
      contract: optional(contract, 'contract'),
      token: optional(token, 'token'),
      proof: optional(proof, 'proof'),
      voided: voided === true,
      via: via === null ? null : read.oneOf(via, ['peer', 'arbiter'], 'via'),
    },
  };
}
