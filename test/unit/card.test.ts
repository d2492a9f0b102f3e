import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkBinding, makeBinding, transportStatement } from '../../src/commerce/binding.ts';
import { type Card, type CardFields, compareCards, encodeCard, makeCard, parseCard } from '../../src/commerce/card.ts';
import { contactWords, digestWords, sameWords } from '../../src/commerce/words.ts';
import { generateAgeKey } from '../../src/crypto/age.ts';
import { signControl } from '../../src/crypto/control.ts';
import { parseCertificate, selfSigned } from '../../src/crypto/pki/certificate.ts';
import { peerIdFromText, peerIdOf, peerIdText, signTransport, verifyTransport } from '../../src/crypto/transport.ts';
import { generateVerifierKey, proveVerifier } from '../../src/crypto/verifier-key.ts';
import { toHex, utf8 } from '../../src/lib/bytes.ts';
import { type Cbor, decode, encode } from '../../src/lib/cbor.ts';
import { isFitError, PeerFault } from '../../src/lib/errors.ts';

const NOW = 1_800_000_000;

async function trader(name: string) {
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const der = await selfSigned({ key, name, notBefore: NOW - 1000, notAfter: NOW + 1_000_000 });
  const certificate = parseCertificate(der);
  const seed = new Uint8Array(randomBytes(32));
  const peer = peerIdOf(seed);
  const v = generateVerifierKey();
  const control = (purpose: string, ...items: readonly Cbor[]) => signControl(key, purpose, ...items);
  const transport = (message: Uint8Array) => signTransport(seed, message);
  const fields: CardFields = {
    serial: 1,
    chain: [der],
    peer,
    addresses: ['/ip4/127.0.0.1/tcp/4000'],
    verifier: v.public,
    proof: proveVerifier(v.secret, certificate.hash, peer, new Uint8Array(randomBytes(32))),
    name,
    roles: [],
    transport: transport(transportStatement(certificate.hash, certificate.notAfter)),
  };
  return { key, certificate, seed, peer, control, transport, fields, secret: v.secret };
}

const first = await trader('First Trader');
const second = await trader('Second Trader');
const role = {
  role: 'arbiter' as const,
  kem: [{ public: new Uint8Array(32).fill(7), notAfter: NOW + 1000 }],
  terms: 'I complete exchanges.\n',
  maxNotAfter: 8_000_000,
  minMargin: 90_000,
  retention: 31_536_000,
};

function problem(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    assert.ok(isFitError(error) && error.code === 'bad-card', String(error));
    return error.data?.code;
  }
  assert.fail('accepted');
}

const make = (change: Partial<CardFields>, by = first) => makeCard({ ...by.fields, ...change }, by.control);

test('a card survives its text form, with white space around it', () => {
  const card = make({ roles: [role] });
  const read = parseCard(`\n ${encodeCard(card)}\r\n\n`, NOW);
  assert.deepEqual(read.bytes, card.bytes);
  assert.equal(read.name, 'First Trader');
  const [arbiter] = read.roles;
  assert.ok(arbiter?.role === 'arbiter');
  assert.equal(arbiter.terms, 'I complete exchanges.\n');
  assert.equal(arbiter.termsDigest.length, 32);
  assert.equal(toHex(read.certificate.hash), toHex(first.certificate.hash));
});

test('a card may have both roles, each once, and names a timestamping key', () => {
  const stamper = { role: 'timestamp', certificate: second.certificate.der } as const;
  const read = parseCard(encodeCard(make({ roles: [role, stamper] })), NOW);
  assert.deepEqual(
    read.roles.map((one) => one.role),
    ['arbiter', 'timestamp'],
  );
  assert.deepEqual(read.roles[1], stamper);
  assert.equal(
    problem(() => make({ roles: [stamper, stamper] })),
    'role',
  );
  assert.equal(
    problem(() => make({ roles: [{ role: 'timestamp', certificate: new Uint8Array(8) }] })),
    'malformed',
  );
});

test('every flipped bit and every truncation of the text is refused', () => {
  const text = encodeCard(make({}));
  fc.assert(
    fc.property(fc.nat(text.length - 1), fc.integer({ min: 1, max: 127 }), (at, change) => {
      const altered = text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ change) + text.slice(at + 1);
      if (altered.trim() === text) return;
      assert.throws(() => parseCard(altered), isFitError);
      assert.throws(() => parseCard(text.slice(0, at)), isFitError);
    }),
    { numRuns: 300 },
  );
});

test('every flipped byte of the binary form is refused', () => {
  const { bytes } = make({ roles: [role, { role: 'timestamp', certificate: second.certificate.der }] });
  for (let at = 0; at < bytes.length; at++) {
    const altered = new Uint8Array(bytes);
    altered[at] = (altered[at] ?? 0) ^ 0x01;
    assert.throws(() => parseCard(altered), isFitError, `byte ${at}`);
  }
});

test('refuses what is not a card', () => {
  assert.equal(
    problem(() => parseCard('hello')),
    'not-a-card',
  );
  assert.equal(
    problem(() => parseCard('')),
    'not-a-card',
  );
  assert.equal(
    problem(() => parseCard('fit1')),
    'checksum',
  );
  assert.equal(
    problem(() => parseCard(`fit1${'A'.repeat(40_000)}`)),
    'too-long',
  );
  assert.equal(
    problem(() => parseCard(encode([[2, 1], new Uint8Array(64)]))),
    'version',
  );
  assert.equal(
    problem(() => parseCard(`fit1 ${encodeCard(make({})).slice(4)}`)),
    'checksum',
  );
});

test('refuses fields that a signature does not make right', () => {
  assert.equal(
    problem(() => make({ name: 'First\u202eTrader' })),
    'name',
  );
  assert.equal(
    problem(() => make({ name: ' First' })),
    'name',
  );
  assert.equal(
    problem(() => make({ addresses: ['127.0.0.1 4000'] })),
    'malformed',
  );
  assert.equal(
    problem(() => make({ roles: [{ ...role, terms: 'a\u001b[2Jb' }] })),
    'role',
  );
  assert.equal(
    problem(() => make({ roles: [{ ...role, kem: [] }] })),
    'role',
  );
  assert.equal(
    problem(() => make({ roles: [role, role] })),
    'role',
  );
  assert.equal(
    problem(() => make({ chain: [] })),
    'certificate',
  );
  assert.equal(
    problem(() => make({ chain: [...first.fields.chain, ...second.fields.chain] })),
    'certificate',
  );
});

test('V must be proven, for this certificate and PeerId, and not be the signing key', () => {
  assert.equal(
    problem(() => make({ verifier: second.fields.verifier })),
    'verifier',
  );
  const proof = proveVerifier(first.secret, second.certificate.hash, first.peer, new Uint8Array(32));
  assert.equal(
    problem(() => make({ proof })),
    'verifier',
  );
  assert.ok(first.certificate.point !== null);
  assert.equal(
    problem(() => make({ verifier: first.certificate.point ?? new Uint8Array() })),
    'verifier',
  );
});

test('the transport key must agree, and the certificate must sign', () => {
  assert.equal(
    problem(() => make({ transport: second.fields.transport })),
    'transport',
  );
  assert.equal(
    problem(() => makeCard(first.fields, second.control)),
    'signature',
  );
});

test('a card is refused outside the time of its certificate, if a time is given', () => {
  const { bytes } = make({});
  assert.equal(
    problem(() => parseCard(bytes, NOW - 5000)),
    'expired',
  );
  assert.equal(
    problem(() => parseCard(bytes, NOW + 2_000_000)),
    'expired',
  );
  assert.equal(parseCard(bytes).serial, 1);
});

test('only a higher serial of the same keys replaces', () => {
  const pinned: Card = make({ serial: 5 });
  assert.equal(compareCards(pinned, pinned), 'same');
  assert.equal(compareCards(pinned, make({ serial: 6, addresses: [] })), 'newer');
  assert.equal(compareCards(pinned, make({ serial: 4 })), 'older');
  assert.equal(compareCards(pinned, make({ serial: 5, addresses: [] })), 'older');
  assert.equal(compareCards(pinned, make({ serial: 9 }, second)), 'changed');
});

test('both sides have the same 16 words, and other ones for another key', () => {
  const [a, b] = [make({}), make({}, second)];
  const words = contactWords(a, b);
  assert.equal(words, contactWords(b, a));
  assert.equal(words.split(' ').length, 16);
  assert.notEqual(words, contactWords(a, { ...b, peer: a.peer }));
  assert.notEqual(words, contactWords(a, { ...b, verifier: a.verifier }));
  assert.ok(sameWords(`  ${words.toUpperCase().replaceAll(' ', '\n\t')} `, words));
  assert.ok(!sameWords(words.split(' ').slice(0, 15).join(' '), words));
  assert.ok(!sameWords(words.split(' ').reverse().join(' '), words));
});

test('a binding proves the certificate for its own PeerId, until it is over', () => {
  const expiry = NOW + 100;
  const hello = makeBinding({ certificate: first.certificate, peer: first.peer, expiry }, first);
  assert.equal(toHex(checkBinding(first.peer, hello, NOW).hash), toHex(first.certificate.hash));
  const fault = (code: string) => (error: unknown) => error instanceof PeerFault && error.code === code;
  assert.throws(() => checkBinding(second.peer, hello, NOW), fault('bad-binding'));
  assert.throws(() => checkBinding(first.peer, hello, expiry), fault('bad-binding'));
  assert.throws(() => checkBinding(first.peer, new Uint8Array(20_000), NOW), fault('oversized'));
  for (let at = 0; at < hello.length; at++) {
    const altered = new Uint8Array(hello);
    altered[at] = (altered[at] ?? 0) ^ 0x80;
    assert.throws(() => checkBinding(first.peer, altered, NOW), PeerFault, `byte ${at}`);
  }
});

test('a binding needs both keys', () => {
  const binding = { certificate: first.certificate, peer: first.peer, expiry: NOW + 100 };
  const other = { control: second.control, transport: second.transport };
  const stolen = { certificate: second.certificate, peer: first.peer, expiry: NOW + 100 };
  for (const hello of [
    makeBinding(binding, { ...first, control: other.control }),
    makeBinding(binding, { ...first, transport: other.transport }),
    makeBinding(stolen, first),
  ])
    assert.throws(() => checkBinding(first.peer, hello, NOW), PeerFault);
  const items = decode(makeBinding(binding, first), 10_000) as readonly Cbor[];
  assert.throws(
    () => checkBinding(first.peer, encode([2, ...items.slice(1)]), NOW),
    (error) => error instanceof PeerFault && error.code === 'unknown-version',
  );
});

test('PeerIds: the text is that of libp2p, one for each key', async () => {
  const { keys } = { keys: await import('@libp2p/crypto/keys') };
  const { peerIdFromPrivateKey } = await import('@libp2p/peer-id');
  for (let round = 0; round < 20; round++) {
    const seed = new Uint8Array(randomBytes(32));
    const text = peerIdFromPrivateKey(await keys.generateKeyPairFromSeed('Ed25519', seed)).toString();
    assert.equal(peerIdText(peerIdOf(seed)), text);
    assert.deepEqual(peerIdFromText(text), peerIdOf(seed));
  }
  const text = peerIdText(first.peer);
  for (const bad of ['', text.slice(1), `${text}1`, text.replace(/.$/, '0'), `1${text}`, `12D3Koo${'z'.repeat(45)}`])
    assert.throws(() => peerIdFromText(bad), PeerFault, bad);
});

test('transport signatures', () => {
  const message = utf8('message');
  const signature = first.transport(message);
  assert.ok(verifyTransport(first.peer, message, signature));
  assert.ok(!verifyTransport(second.peer, message, signature));
  assert.ok(!verifyTransport(first.peer, utf8('other'), signature));
  assert.ok(!verifyTransport(first.peer, message, signature.subarray(1)));
  assert.ok(!verifyTransport(first.peer.subarray(1), message, signature));
});

test('a digest as words: its first 66 bits, the same for the same digest alone', () => {
  assert.equal(digestWords(new Uint8Array(32)), 'abandon abandon abandon abandon abandon abandon');
  assert.equal(digestWords(new Uint8Array(32).fill(255)), 'zoo zoo zoo zoo zoo zoo');
  assert.notEqual(digestWords(Uint8Array.of(1, ...new Uint8Array(31))), digestWords(new Uint8Array(32)));
});

test('a card may name whom files are encrypted to, and one of before is read as it was', async () => {
  const { recipient } = await generateAgeKey();
  const without = makeCard(first.fields, first.control);
  assert.equal(without.recipient, null);
  const card = makeCard({ ...first.fields, serial: 2, recipient }, first.control);
  assert.equal(parseCard(encodeCard(card)).recipient, recipient);
  assert.equal(compareCards(without, card), 'newer', 'the keys that are compared by words are the same');
  for (const wrong of ['', 'age1', `${recipient.slice(0, -1)}b`, recipient.toUpperCase()])
    if (wrong !== recipient)
      assert.equal(
        problem(() => makeCard({ ...first.fields, recipient: wrong }, first.control)),
        'malformed',
        wrong,
      );
  // The signature is over it: neither taken away nor put there by somebody else.
  const [items, signature] = decode(card.bytes, 65_536) as [Cbor[], Uint8Array];
  assert.equal(
    problem(() => parseCard(encode([items.slice(0, 11), signature]))),
    'signature',
  );
  const { recipient: other } = await generateAgeKey();
  assert.equal(
    problem(() => parseCard(encode([[...items.slice(0, 11), other], signature]))),
    'signature',
  );
  assert.equal(
    problem(() => parseCard(encode([[...items, 'more'], signature]))),
    'malformed',
  );
});
