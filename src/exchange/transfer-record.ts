/**
 * What a transfer is about, and the two texts that are signed over it: by the sender that the content is theirs, by the receiver
 * that they have it.
 *
 * Guarantees: one encoding per record; the id binds all of it; each text is a pure function of the record, says what it is, and
 * names both sides and the content, so a signature on it can be read as nothing else. Whoever verifies builds the text again.
 */
import {
  chunksOf,
  decodeWrongChunk,
  MAX_CONTENT_BYTES,
  provesWrong,
  WRONG_CHUNK_MAX_BYTES,
} from '../crypto/content.ts';
import { H, sha256 } from '../crypto/hash.ts';
import { isPrivateScalar, publicPoint } from '../crypto/p256.ts';
import type { Certificate } from '../crypto/pki/certificate.ts';
import { verifySignedData } from '../crypto/pki/cms.ts';
import { equal, toHex, utf8 } from '../lib/bytes.ts';
import { type Cbor, decode, enc, encode, read } from '../lib/cbor.ts';
import { PeerFault } from '../lib/errors.ts';
import type { ContentItem } from './items.ts';
import { dealId } from './record.ts';

/** Hashes have 32 bytes, the point of the key 33. */
export interface TransferRecord {
  readonly deal: string;
  /** SHA-256 of the note. */
  readonly document: Uint8Array;
  /** SHA-256 of the certificates. */
  readonly sender: Uint8Array;
  readonly receiver: Uint8Array;
  readonly content: Omit<ContentItem, 'kind'>;
}

const VERSION = 1;
const MAX_BYTES = 512;
/** A detached signature with the certificate of its signer. */
export const STATEMENT_MAX_BYTES = 16 * 1024;
export const TRANSFER_PROOF_MAX_BYTES = WRONG_CHUNK_MAX_BYTES + STATEMENT_MAX_BYTES + 64;

function toCbor({ deal, document, sender, receiver, content }: TransferRecord): readonly Cbor[] {
  const { point, ciphertextRoot, plaintextRoot, bytes, chunks } = content;
  return [VERSION, deal, document, sender, receiver, point, ciphertextRoot, plaintextRoot, bytes, chunks];
}

export function encodeTransferRecord(record: TransferRecord): Uint8Array {
  return encode(toCbor(record));
}

/** Throws `PeerFault('malformed')`. */
export function decodeTransferRecord(bytes: Uint8Array): TransferRecord {
  const [version, deal, document, sender, receiver, point, rz, rx, size, chunks] = read.array(
    decode(bytes, MAX_BYTES),
    10,
    'transfer record',
  );
  read.literal(version, VERSION, 'transfer record version');
  const length = read.uint(size, 'content size');
  if (length > MAX_CONTENT_BYTES) throw new PeerFault('malformed', 'content size: too large');
  if (read.uint(chunks, 'content chunks') !== chunksOf(length))
    throw new PeerFault('malformed', 'content chunks: not the number of that size');
  return {
    deal: dealId(deal),
    document: read.bytes(document, 32, 'document digest'),
    sender: read.bytes(sender, 32, 'sender'),
    receiver: read.bytes(receiver, 32, 'receiver'),
    content: {
      point: read.bytes(point, 33, 'content point'),
      ciphertextRoot: read.bytes(rz, 32, 'ciphertext root'),
      plaintextRoot: read.bytes(rx, 32, 'plaintext root'),
      bytes: length,
      chunks: chunksOf(length),
    },
  };
}

/** The name of the transfer, 32 bytes. */
export function transferId(record: TransferRecord): Uint8Array {
  return H('fit transfer v1', toCbor(record));
}

export const TRANSFER_STATEMENTS = ['origin', 'receipt'] as const;
export type TransferStatement = (typeof TRANSFER_STATEMENTS)[number];

const ORIGIN = `Statement of origin of a transfer (fit, version 1)

I am the sender named below. The content named below is what the note describes,
and the key of its ciphertext is the discrete logarithm of the key point. If it
is not, this statement, the key and one wrong chunk prove it.

`;

const RECEIPT = `Receipt for a transfer (fit, version 1)

I am the receiver named below. I have received the content named below: its
ciphertext and its key, and every chunk was what the content's root names.

`;

/** The text that its signer signs; the time is that of the signature. */
export function transferText(record: TransferRecord, statement: TransferStatement): Uint8Array {
  const { deal, document, sender, receiver, content } = record;
  const lines: readonly (readonly [string, string])[] = [
    ['transfer', toHex(transferId(record))],
    ['deal', deal],
    ['note', toHex(document)],
    ['sender', toHex(sender)],
    ['receiver', toHex(receiver)],
    ['content', toHex(content.plaintextRoot)],
    ['ciphertext', toHex(content.ciphertextRoot)],
    ['key point', toHex(content.point)],
    ['bytes', String(content.bytes)],
    ['chunks', String(content.chunks)],
  ];
  const facts = lines.map(([name, value]) => `${`${name}:`.padEnd(12)}${value}\n`).join('');
  return utf8((statement === 'origin' ? ORIGIN : RECEIPT) + facts);
}

export interface SignedStatement {
  readonly certificate: Certificate;
  /** Seconds since 1970. */
  readonly signingTime: number;
}

/**
 * Who signed the statement and when, if `p7s` is exactly that: one signature over this text, with the certificate that the record
 * names, valid at that time. Throws `PeerFault('bad-signature')`.
 */
export function verifyTransferStatement(
  record: TransferRecord,
  statement: TransferStatement,
  p7s: Uint8Array,
): SignedStatement {
  const verdict = verifySignedData(p7s, sha256(transferText(record, statement)));
  if (!verdict.ok) throw new PeerFault('bad-signature', `the ${statement} does not verify: ${verdict.code}`);
  const [signer, ...others] = verdict.signers;
  const expected = statement === 'origin' ? record.sender : record.receiver;
  if (signer === undefined || others.length > 0 || !equal(signer.certificate.hash, expected))
    throw new PeerFault('bad-signature', `the ${statement} is signed by somebody else`);
  const { certificate, signingTime } = signer;
  if (signingTime < certificate.notBefore || signingTime > certificate.notAfter)
    throw new PeerFault('bad-signature', `the ${statement} is signed when its certificate was not valid`);
  return { certificate, signingTime };
}

/** Whether 32 bytes are the key of the content. */
export function isTransferKey({ content }: TransferRecord, key: Uint8Array): boolean {
  return key.length === 32 && isPrivateScalar(key) && equal(publicPoint(key), content.point);
}

/** `wrong`: an encoded `WrongChunk` (crypto/content.ts). */
export function encodeTransferProof(key: Uint8Array, wrong: Uint8Array): Uint8Array {
  return enc(VERSION, key, wrong);
}

/**
 * Whether `proof` shows, together with the sender's signed statement of origin, that the content is wrong. The statement alone
 * ties the key to its sender, so without one nothing is proven. Never throws for what a peer can send.
 */
export function provesTransferWrong(record: TransferRecord, origin: Uint8Array, proof: Uint8Array): boolean {
  try {
    verifyTransferStatement(record, 'origin', origin);
    const [version, key, chunk] = read.array(decode(proof, TRANSFER_PROOF_MAX_BYTES), 3, 'proof');
    read.literal(version, VERSION, 'proof version');
    const x = read.bytes(key, 32, 'key');
    if (!isTransferKey(record, x)) return false;
    const { point, ciphertextRoot, plaintextRoot, bytes, chunks } = record.content;
    const wrong = decodeWrongChunk(read.blob(chunk, WRONG_CHUNK_MAX_BYTES, 'wrong chunk'));
    return provesWrong({ x, point, sealedRoot: ciphertextRoot, contentRoot: plaintextRoot, bytes, chunks }, wrong);
  } catch (error) {
    if (error instanceof PeerFault) return false;
    throw error;
  }
}
