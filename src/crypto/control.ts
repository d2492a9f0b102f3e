/**
 * Control signatures (PROTOCOL §1): abort, status, cards, bindings, address updates, an arbiter's answers.
 * The signed message is `"fit <purpose> v1\0" ‖ enc(items)`. A purpose has no NUL, so the first NUL ends it and no message
 * can be read under two purposes; `enc` is injective, so none can be read as other items; and the first byte is `f`, while
 * everything else that a signing key signs is DER and begins with 0x30 (certificates, requests) or 0x31 (signedAttrs).
 */
import type { KeyObject } from 'node:crypto';
import { assert } from '../lib/assert.ts';
import { concat, utf8 } from '../lib/bytes.ts';
import { type Cbor, enc } from '../lib/cbor.ts';
import { signP256, verifyP256 } from './ecdsa.ts';

const PURPOSE = /^[a-z][a-z -]{0,39}$/;

/** The bytes that are signed; exported for who keeps or shows them. A purpose outside the pattern is our bug. */
export function controlMessage(purpose: string, items: readonly Cbor[]): Uint8Array {
  assert(PURPOSE.test(purpose), 'a purpose is lower-case letters, spaces and hyphens');
  return concat(utf8(`fit ${purpose} v1\0`), enc(...items));
}

/** 64 bytes, raw r‖s, low s. */
export function signControl(key: KeyObject, purpose: string, ...items: readonly Cbor[]): Uint8Array {
  return signP256(key, controlMessage(purpose, items));
}

/** Strict as `verifyP256`; never throws for what a peer can send. */
export function verifyControl(
  publicKey: KeyObject,
  purpose: string,
  signature: Uint8Array,
  ...items: readonly Cbor[]
): boolean {
  return verifyP256(publicKey, controlMessage(purpose, items), signature);
}
