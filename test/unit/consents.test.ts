/** Requests and consents: on disk, what the audit log makes of them, and what bounds a proof's life and the refusals kept. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { ChainEntry } from '../../src/archive/chain.ts';
import { createMemoryStore } from '../../src/archive/memory-store.ts';
import { createArchive } from '../../src/archive/sealed-store.ts';
import { completeDocument, parseDocument } from '../../src/commerce/document.ts';
import type { Wanted } from '../../src/daemon/approvals.ts';
import { createAuditCheck } from '../../src/daemon/audit.ts';
import { startDaemon } from '../../src/daemon/compose.ts';
import { setConfig } from '../../src/daemon/config.ts';
import { type Consent, createConsents, decodeConsent, encodeConsent } from '../../src/daemon/consents.ts';
import { initHome } from '../../src/daemon/init.ts';
import { utf8 } from '../../src/lib/bytes.ts';
import { encode } from '../../src/lib/cbor.ts';
import { seconds } from '../../src/lib/clock.ts';
import { homePaths } from '../../src/lib/paths.ts';
import { newId, systemRng } from '../../src/lib/rng.ts';
import type { AuditEntry } from '../../src/rpc/approvals.ts';
import { connect } from '../../src/rpc/client.ts';
import { ManualClock } from '../support/manual-clock.ts';

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

const PASSPHRASE = 'secret words';
const ends: (() => Promise<void>)[] = [];
after(async () => {
  for (const end of ends) await end();
});

/** A real daemon in this process, unlocked, whose time the test moves; nobody it could talk to. */
async function daemonAt(clock: ManualClock, prepare: (paths: ReturnType<typeof homePaths>) => void = () => {}) {
  const folder = mkdtempSync(join(tmpdir(), 'fit-consents-'));
  ends.push(async () => rmSync(folder, { recursive: true, force: true }));
  const paths = homePaths({ FIT_HOME: join(folder, 'home') });
  await initHome(paths, { name: 'Elm', roles: [], listen: '127.0.0.1:0', passphrase: PASSPHRASE });
  setConfig(paths.config, 'log.level', 'error');
  prepare(paths);
  clock.set(Date.now());
  const worker = pathToFileURL(resolve('dist/escrow-worker.js'));
  const openStore = async () => createMemoryStore();
  const daemon = await startDaemon(paths, { passphrase: PASSPHRASE, clock, openStore, worker });
  ends.unshift(() => daemon.stop());
  return { daemon, paths };
}

test('a terminal that proved the passphrase is locked again after consent.idle without use', async () => {
  const clock = new ManualClock();
  const { paths } = await daemonAt(clock, ({ config }) => setConfig(config, 'consent.idle', '10m'));
  const [terminal, other] = await Promise.all([connect(paths.socket), connect(paths.socket)]);
  try {
    const needsPassphrase = { code: 'needs-passphrase' };
    await assert.rejects(terminal.keyCsr(), needsPassphrase);
    await terminal.prove({ passphrase: PASSPHRASE });
    await other.prove({ passphrase: PASSPHRASE });
    // Use keeps it: three times nearly the whole life.
    for (let use = 0; use < 3; use += 1) {
      await clock.pass(10 * 60_000);
      assert.match((await terminal.keyCsr()).csr, /CERTIFICATE REQUEST/);
    }
    await assert.rejects(other.keyCsr(), needsPassphrase, 'the use of one connection keeps no other');
    // Reading is no use.
    await clock.pass(9 * 60_000);
    await terminal.approveList({});
    await clock.pass(60_001);
    await assert.rejects(terminal.keyCsr(), needsPassphrase);
    // Over is over, also when the clock is set back.
    clock.set(clock.now() - 60_000);
    await assert.rejects(terminal.keyCsr(), needsPassphrase);
    assert.equal((await terminal.status()).locked, false, 'the daemon itself stays unlocked');
    await terminal.prove({ passphrase: PASSPHRASE });
    await terminal.keyCsr();
  } finally {
    terminal.close();
    other.close();
  }
});

const NO = `fit = "policy/1"

[[rule]]
name = "nothing"
outcome = "reject"
`;

test('what rules refuse is kept once for one text and so often for one contact; nothing is signed beyond it', async () => {
  const clock = new ManualClock();
  const { daemon, paths } = await daemonAt(clock, ({ policy }) => writeFileSync(policy, NO));
  const { parts, deals } = daemon;
  const agent = await connect(paths.socket);
  ends.unshift(async () => agent.close());
  await agent.prove({ passphrase: PASSPHRASE });
  await agent.policyConfirm({ hash: (await agent.policyShow()).hash ?? '' });
  const before = (await agent.auditList({})).head.seq;

  const own = parts.keyring.chain[0]?.hash ?? assert.fail('no certificate');
  const now = seconds(clock.now());
  const bytes = completeDocument(utf8('# Sale\n\nOne bicycle.\n'), {
    deal: 'd7q2m3xd9a00',
    author: { name: 'Oak', certificate: new Uint8Array(32).fill(1) },
    addressee: { name: 'Elm', certificate: own },
    arbiter: { name: 'Ash', certificate: new Uint8Array(32).fill(2), terms: new Uint8Array(32).fill(3) },
    mode: 'invisible',
    offerUntil: now + 86_400,
    notAfter: now + 30 * 86_400,
    margin: 25 * 3600,
    fixed: [],
  });
  const document = parseDocument(bytes);
  const wanted = (deal: string, peer: string): Wanted => ({
    kind: 'acceptance',
    document,
    peer,
    deal,
    arbiterCard: HEX,
    base: null,
    expires: document.terms.notAfter,
    latest: document.terms.offerUntil,
    keep: [],
  });
  const asker = async () => CONSENT.asker;
  const refusedWith = async (deal: string, peer: string): Promise<string> => {
    try {
      await deals.approvals.gate(wanted(deal, peer), { source: null, asker }, async () => assert.fail('signed'));
    } catch (error) {
      return (error as { code: string }).code;
    }
    return assert.fail('not refused');
  };
  const kept = () => [...parts.consents.all()].length;

  // One text, however often it is asked for.
  for (let again = 0; again < 5; again += 1) assert.equal(await refusedWith('d7q2m3xd9a00', HEX), 'refused');
  assert.equal(kept(), 1);
  assert.deepEqual(
    (await agent.auditList({ from: before + 1 })).entries.map((one: AuditEntry) => [one.kind, one.details.rule]),
    [
      ['asked', undefined],
      ['refused', 'nothing'],
    ],
  );

  // A flood: another deal each time.
  let recorded = 1;
  while ((await refusedWith(newId(systemRng), HEX)) === 'refused') {
    recorded += 1;
    assert.ok(recorded < 2000, 'without an end');
  }
  assert.equal(recorded, 1000);
  assert.equal(kept(), 1000);
  for (let more = 0; more < 50; more += 1) assert.equal(await refusedWith(newId(systemRng), HEX), 'busy');
  assert.equal(kept(), 1000);
  assert.equal((await agent.auditList({})).head.seq, before + 2000);
  assert.equal(await refusedWith('d7q2m3xd9a00', HEX), 'refused', 'what was said is still said');

  // Nobody pays for another, and time forgives.
  assert.equal(await refusedWith(newId(systemRng), 'cd'.repeat(32)), 'refused');
  await clock.pass(10_000);
  assert.equal(await refusedWith(newId(systemRng), HEX), 'refused');
  assert.equal(await refusedWith(newId(systemRng), HEX), 'busy');
  assert.equal((await agent.auditVerify()).ok, true, 'the log accounts for all that is kept');

  // Another policy is another decision.
  writeFileSync(paths.policy, NO.replace('nothing', 'nothing-at-all'));
  await agent.policyConfirm({ hash: (await agent.policyShow()).hash ?? '' });
  await clock.pass(10_000);
  const counted = kept();
  assert.equal(await refusedWith('d7q2m3xd9a00', HEX), 'refused');
  assert.equal(kept(), counted + 1);
});
