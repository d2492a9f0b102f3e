/**
 * Files in the age format (age-encryption.org/v1), as streams: to recipients or under a passphrase, opened by identities, by a
 * passphrase, or by somebody who keeps the key and is shown the header alone.
 *
 * Guarantees: recipients are X25519 and nothing else, so that every age tool reads them; a header is read only to a bound, and asks
 * for no more work than is done in encrypting; what is given out of a stream was authenticated piece by piece, and its end too. It does not say who encrypted: signatures do.
 */

import { createPublicKey, diffieHellman, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { bech32 } from '@scure/base';
import { Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption';
import { fromUtf8, utf8 } from '../lib/bytes.ts';
import { isFitError } from '../lib/errors.ts';

/** One file is encrypted to at most so many. */
export const MAX_RECIPIENTS = 20;
/** Far more than the stanzas of as many recipients. */
export const MAX_HEADER_BYTES = 16 * 1024;
export const RECIPIENT_CHARS = 62;
const MAX_IDENTITIES = 64;
/** Of scrypt, as a power of two: a second and 256 MiB. */
const WORK_FACTOR = 18;

const RECIPIENT = /^age1[02-9ac-hj-np-z]{58}$/;
const IDENTITY = /^AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}$/;

export type Lock =
  | { readonly kind: 'recipients'; readonly recipients: readonly string[] }
  | { readonly kind: 'passphrase'; readonly passphrase: string };

/** Gives the file key of a header, or null if it has none for it. */
export type HeaderOpener = (header: Uint8Array) => Promise<Uint8Array | null>;

export type Opener =
  | { readonly kind: 'identity'; readonly identity: string }
  | { readonly kind: 'passphrase'; readonly passphrase: string }
  | { readonly kind: 'keeper'; readonly open: HeaderOpener };

/** Of nobody; made when a recipient is looked at first, since every card has one. */
let probe: KeyObject | undefined;

/** Throws for a point of small order, with which there is no secret. */
function checkPoint(point: Uint8Array): void {
  probe ??= generateKeyPairSync('x25519').privateKey;
  const x = Buffer.from(point).toString('base64url');
  diffieHellman({
    privateKey: probe,
    publicKey: createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x }, format: 'jwk' }),
  });
}

/** Whether the text is an X25519 recipient to which something can be encrypted, its checksum included. */
export function isRecipient(text: string): boolean {
  if (!RECIPIENT.test(text)) return false;
  try {
    checkPoint(bech32.decodeToBytes(text).bytes);
    return true;
  } catch {
    return false;
  }
}

export interface AgeKey {
  /** The identity (`AGE-SECRET-KEY-1…`), as bytes so that it can be wiped. */
  readonly secret: Uint8Array;
  readonly recipient: string;
}

export async function generateAgeKey(): Promise<AgeKey> {
  const identity = await generateX25519Identity();
  return { secret: utf8(identity), recipient: await identityToRecipient(identity) };
}

/** The identities of an identity file as `age-keygen` writes it; null if it is none. */
export function parseIdentities(text: string): readonly string[] | null {
  const lines = text.split('\n').map((line) => line.replace(/\r$/, ''));
  const identities = lines.filter((line) => line !== '' && !line.startsWith('#'));
  if (identities.length === 0 || identities.length > MAX_IDENTITIES) return null;
  return identities.every(isIdentity) ? identities : null;
}

function isIdentity(text: string): boolean {
  if (!IDENTITY.test(text)) return false;
  try {
    new Decrypter().addIdentity(text);
    return true;
  } catch {
    return false;
  }
}

function streamOf(source: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const parts = source[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await parts.next();
        if (done === true) controller.close();
        // A copy: whoever gives the parts may use one block for all of them.
        else controller.enqueue(value.slice());
      },
      async cancel() {
        await parts.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}

async function* partsOf(stream: ReadableStream<Uint8Array>): AsyncIterable<Uint8Array> {
  const reader = stream.getReader();
  let isDone = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      isDone = done;
      if (done) return;
      yield value;
    }
  } finally {
    if (!isDone) await reader.cancel().catch(() => {});
  }
}

function encrypterFor(lock: Lock): Encrypter {
  const encrypter = new Encrypter();
  if (lock.kind === 'passphrase') {
    encrypter.setPassphrase(lock.passphrase);
    encrypter.setScryptWorkFactor(WORK_FACTOR);
  } else for (const recipient of lock.recipients) encrypter.addRecipient(recipient);
  return encrypter;
}

/** How many bytes a file of `bytes` has when it is encrypted. */
export async function encryptedBytes(lock: Lock, bytes: number): Promise<number> {
  const encrypter = encrypterFor(lock);
  // The work factor has two digits whatever it is, and the real one takes a second.
  if (lock.kind === 'passphrase') encrypter.setScryptWorkFactor(10);
  const none = new ReadableStream<Uint8Array>({ start: (controller) => controller.close() });
  const stream = await encrypter.encrypt(none);
  const size = stream.size(bytes);
  await stream.cancel();
  return size;
}

export async function* encrypt(lock: Lock, source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  yield* partsOf(await encrypterFor(lock).encrypt(streamOf(source)));
}

const FIRST_LINE = utf8('age-encryption.org/v1\n');

/** The header at the beginning of an age file; null if there is none that ends within `MAX_HEADER_BYTES`. */
export function headerOf(begin: Uint8Array): Uint8Array | null {
  const bytes = Buffer.from(begin.subarray(0, MAX_HEADER_BYTES));
  if (!bytes.subarray(0, FIRST_LINE.length).equals(FIRST_LINE)) return null;
  const mac = bytes.indexOf('\n--- ');
  const end = mac < 0 ? -1 : bytes.indexOf('\n', mac + 1);
  return end < 0 ? null : new Uint8Array(bytes.subarray(0, end + 1));
}

export type Opened =
  | { readonly ok: true; readonly parts: AsyncIterable<Uint8Array> }
  /** `no-key`: it is for others. `damaged`: the header is not one that was made whole. `costly`: it asks for too much work. */
  | { readonly ok: false; readonly reason: 'no-key' | 'damaged' | 'costly' };

/** The work that a header asks of whoever has a passphrase; 0 if it is under none. */
function workOf(header: Uint8Array): number {
  const [, factor = '0'] = /^-> scrypt \S+ ([0-9]+)$/m.exec(Buffer.from(header).toString('latin1')) ?? [];
  return Number(factor);
}

/**
 * Opens an age file whose header was read with `headerOf`; `source` gives the whole file. The parts throw where a piece of the
 * file is not what was encrypted. What a keeper throws, is thrown.
 */
export async function decrypt(
  openers: readonly Opener[],
  header: Uint8Array,
  source: AsyncIterable<Uint8Array>,
): Promise<Opened> {
  if (openers.some(({ kind }) => kind === 'passphrase') && workOf(header) > WORK_FACTOR)
    return { ok: false, reason: 'costly' };
  const decrypter = new Decrypter();
  const failures: unknown[] = [];
  for (const opener of openers) {
    if (opener.kind === 'passphrase') decrypter.addPassphrase(opener.passphrase);
    else if (opener.kind === 'identity') decrypter.addIdentity(opener.identity);
    else
      decrypter.addIdentity({
        async unwrapFileKey() {
          try {
            return await opener.open(header);
          } catch (error) {
            failures.push(error);
            throw error;
          }
        },
      });
  }
  let isForOthers = false;
  decrypter.addIdentity({
    unwrapFileKey() {
      isForOthers = true;
      return null;
    },
  });
  try {
    return { ok: true, parts: partsOf(await decrypter.decrypt(streamOf(source))) };
  } catch (error) {
    if (failures.length > 0) throw failures[0];
    // Whatever else the library says, is about bytes that somebody else has written.
    if (!(error instanceof Error) || isFitError(error)) throw error;
    return { ok: false, reason: isForOthers ? 'no-key' : 'damaged' };
  }
}

/** The file key of a header for a key that is kept here; null if it is for others, or no header. */
export async function openHeader(secret: Uint8Array, header: Uint8Array): Promise<Uint8Array | null> {
  const found = headerOf(header);
  if (found === null || found.length !== header.length) return null;
  const decrypter = new Decrypter();
  decrypter.addIdentity(fromUtf8(secret));
  try {
    return await decrypter.decryptHeader(found);
  } catch (error) {
    if (error instanceof Error) return null;
    throw error;
  }
}
