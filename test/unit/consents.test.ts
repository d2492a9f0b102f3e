/** Requests and consents on disk, and what the audit log makes of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChainEntry } from '../../src/archive/chain.ts';
import { createMemoryStore } from '../../src/archive/memory-store.ts';
import { createArchive } from '../../src/archive/sealed-store.ts';
import { createAuditCheck } from '../../src/daemon/audit.ts';
import { type Consent, createConsents, decodeConsent, encodeConsent } from '../../src/daemon/consents.ts';
import { encode } from '../../src/lib/cbor.ts';

const HEX = 'ab'.repeat(32);
const CONSENT: Consent = {
  id: 'k7q2m3xd9a00',
  kind: 'acceptance',
  deal: 'd7q2m3xd9a00',
  document: HEX,
  peer: HEX,
  arbiter: HEX,
  arbiterCard: HEX,
  base: null,
  asker: { pid: 4121, name: 'order-bot', command: 'node order-bot.js', known: 'kernel' },
  asked: 1000,
  why: 'no rule matches',
  expires: 2000,
  status: 'pending',
  held: false,
  decision: null,
  amounts: ['EUR 4.50'],
  usedAt: null,
  xid: null,
};

test('a record reads back as it was, with and without a decision', () => {
  assert.deepEqual(decodeConsent(encodeConsent(CONSENT)), CONSENT);
  const decision = { at: 1500, source: 'policy', rule: 'pens', policy: HEX } as const;
  const used: Consent = { ...CONSENT, status: 'used', decision, usedAt: 1600, xid: HEX };
  assert.deepEqual(decodeConsent(encodeConsent(used)), used);
});

test('a consent of before there were requests is still one', () => {
  const bytes = encode([1, 'cd'.repeat(16), 'offer', 'd7q2m3xd9a00', HEX, HEX, HEX, 1000, 2000, 'standing', null]);
  const { status, expires, decision, arbiterCard } = decodeConsent(bytes);
  assert.deepEqual([status, expires, decision?.at, decision?.source, arbiterCard], ['granted', 2000, 1000, null, '']);
});

async function consents() {
  const archive = await createArchive(createMemoryStore(), { spoolKey: new Uint8Array(32) });
  return createConsents(archive);
}

test('totals count what rules granted, until it is withdrawn or freed', async () => {
  const all = await consents();
  const decision = { at: 1000, source: 'policy', rule: 'pens', policy: HEX } as const;
  const granted = all.enter({ ...CONSENT, status: 'granted', decision }, 1000);
  const reserved = () => [...all.reserved()].map(({ rule, usedAt }) => [rule, usedAt]);
  assert.deepEqual(reserved(), [], 'not before it is durable');
  granted.done();
  assert.deepEqual(reserved(), [['pens', null]]);
  const used = all.move(granted.consent, 'used', 1100, { usedAt: 1100, xid: HEX });
  used.done();
  assert.deepEqual(reserved(), [['pens', 1100]]);
  all.move(used.consent, 'freed', 1200).done();
  assert.deepEqual(reserved(), []);
});

const entry = (seq: number, kind: string, ref = CONSENT.id): ChainEntry => {
  const none = new Uint8Array();
  return { seq, kind, ref, time: 0, payload: none, previous: none, hash: none };
};

const verdict = (
  kinds: readonly string[],
  stored: readonly Consent[],
  promised: readonly { xid: string; consent: string }[] = [],
) => {
  const check = createAuditCheck();
  for (const [at, kind] of kinds.entries()) check.step(entry(at + 1, kind));
  return check.end(stored, promised);
};

test('the log must say of every request what became of it, in an order that can be', () => {
  const used: Consent = { ...CONSENT, status: 'used', xid: HEX };
  const promise = [{ xid: HEX, consent: CONSENT.id }];
  assert.equal(verdict(['asked', 'granted', 'used'], [used], promise), null);
  assert.equal(verdict(['asked'], [CONSENT]), null);
  assert.match(verdict(['asked', 'used'], [used]) ?? '', /says used of a request that was asked/);
  assert.match(verdict(['asked', 'granted', 'used', 'used'], [used]) ?? '', /says used of a request that was used/);
  assert.match(verdict(['granted'], [used]) ?? '', /was not asked/);
  assert.match(verdict(['asked', 'granted'], [used]) ?? '', /is used, but the audit log says granted/);
  assert.match(verdict(['asked'], []) ?? '', /not stored/);
  assert.match(
    verdict(['asked', 'granted', 'used'], [used], [{ xid: 'cd'.repeat(32), consent: CONSENT.id }]) ?? '',
    /without a consent of its own/,
  );
});
