// Files in the age format: what is opened and by whom, what is refused, and that the age tool agrees.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  decrypt,
  encrypt,
  encryptedBytes,
  generateAgeKey,
  headerOf,
  isRecipient,
  type Lock,
  MAX_HEADER_BYTES,
  type Opener,
  openHeader,
  parseIdentities,
} from '../../src/crypto/age.ts';
import { present } from '../../src/lib/assert.ts';
import { fromUtf8, utf8 } from '../../src/lib/bytes.ts';
import { needsAge } from '../support/age.ts';
import { temporaryFolder } from '../support/temporary.ts';

async function* parts(...all: readonly Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* all;
}

async function all(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const found: Uint8Array[] = [];
  for await (const part of source) found.push(part);
  return new Uint8Array(Buffer.concat(found));
}

async function opened(file: Uint8Array, ...openers: readonly Opener[]): Promise<Uint8Array | string> {
  const result = await decrypt(openers, present(headerOf(file), 'header'), parts(file));
  return result.ok ? all(result.parts) : result.reason;
}

const identity = (secret: Uint8Array): Opener => ({ kind: 'identity', identity: fromUtf8(secret) });
const key = await generateAgeKey();
const other = await generateAgeKey();
const lock: Lock = { kind: 'recipients', recipients: [key.recipient] };

test('recipients and identities are what age-keygen makes, and nothing near it', () => {
  assert.ok(isRecipient(key.recipient));
  for (const wrong of ['', 'age1', key.recipient.toUpperCase(), `${key.recipient}q`, key.recipient.replace(/.$/, 'b')])
    if (wrong !== key.recipient) assert.ok(!isRecipient(wrong), wrong);
  const secret = fromUtf8(key.secret);
  assert.deepEqual(parseIdentities(`# created\n# public key: x\r\n\n${secret}\r\n`), [secret]);
  for (const wrong of ['', '# nothing\n', `${secret} \n`, secret.toLowerCase(), `${secret}\nrubbish`, key.recipient])
    assert.equal(parseIdentities(wrong), null, wrong);
});

test('a recipient with which there is no secret is none', () => {
  for (const point of [
    'age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq5cu47z',
    'age1qyqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqj7vrya',
    'age1ur4h5lpmgxu2u9jku0a0r87ydtdqnr0tnsetrlvxvgz3vh6fhqqqzyt4v9',
  ])
    assert.equal(isRecipient(point), false, point);
});

test('whoever is named opens it, at every size around the ends of pieces, and its size was known', async () => {
  const both: Lock = { kind: 'recipients', recipients: [key.recipient, other.recipient] };
  for (const size of [0, 1, 65_535, 65_536, 65_537, 131_072, 200_000]) {
    const plain = new Uint8Array(size).fill(size % 251);
    const file = await all(encrypt(both, parts(plain.subarray(0, 70_000), plain.subarray(70_000))));
    assert.equal(file.length, await encryptedBytes(both, size), `${size}`);
    assert.deepEqual(await opened(file, identity(other.secret)), plain);
    assert.deepEqual(await opened(file, identity(key.secret)), plain);
  }
});

test('a passphrase opens what was encrypted under it', async () => {
  const secret: Lock = { kind: 'passphrase', passphrase: 'seven quiet words' };
  const file = await all(encrypt(secret, parts(utf8('plan'))));
  assert.equal(file.length, await encryptedBytes(secret, 4));
  assert.deepEqual(await opened(file, { kind: 'passphrase', passphrase: 'seven quiet words' }), utf8('plan'));
  assert.equal(await opened(file, { kind: 'passphrase', passphrase: 'another' }), 'no-key');
  assert.equal(await opened(file, identity(key.secret)), 'no-key');
});

test('a header that asks for more work than encrypting took is not obeyed', async () => {
  const file = await all(encrypt({ kind: 'passphrase', passphrase: 'seven quiet words' }, parts(utf8('plan'))));
  const asking = (factor: string): Uint8Array =>
    new Uint8Array(Buffer.from(Buffer.from(file).toString('latin1').replace(/ 18\n/, ` ${factor}\n`), 'latin1'));
  for (const factor of ['19', '20', '30', '999999999999'])
    assert.equal(
      await opened(asking(factor), { kind: 'passphrase', passphrase: 'seven quiet words' }),
      'costly',
      factor,
    );
  assert.equal(await opened(asking('17'), { kind: 'passphrase', passphrase: 'seven quiet words' }), 'no-key');
  assert.equal(await opened(asking('30'), identity(key.secret)), 'no-key');
});

test('a keeper opens by the header alone, and only its own', async () => {
  const file = await all(encrypt(lock, parts(utf8('plan'))));
  const header = present(headerOf(file), 'header');
  const keeper = (secret: Uint8Array): Opener => ({ kind: 'keeper', open: async (asked) => openHeader(secret, asked) });
  assert.deepEqual(await opened(file, keeper(key.secret)), utf8('plan'));
  assert.equal(await opened(file, keeper(other.secret)), 'no-key');
  assert.equal((await openHeader(key.secret, header))?.length, 16);
  // No key is given for what is not a whole header with its MAC: nothing can be asked of the key besides.
  assert.equal(await openHeader(key.secret, header.subarray(0, -1)), null);
  assert.equal(await openHeader(key.secret, new Uint8Array([...header, 1])), null);
  const mac = Uint8Array.from(header);
  mac[mac.length - 5] = mac[mac.length - 5] === 65 ? 66 : 65;
  assert.equal(await openHeader(key.secret, mac), null);
  await assert.rejects(
    opened(file, {
      kind: 'keeper',
      open: async () => {
        throw new Error('gone');
      },
    }),
    /gone/,
  );
});

test('any changed byte, a cut and an addition are found out', async () => {
  const plain = new Uint8Array(66_000).fill(3);
  const file = await all(encrypt(lock, parts(plain)));
  const fails = async (bytes: Uint8Array, what: string) => {
    const header = headerOf(bytes);
    if (header === null) return;
    const result = await decrypt([identity(key.secret)], header, parts(bytes));
    if (result.ok) await assert.rejects(all(result.parts), what);
  };
  const headerLength = present(headerOf(file), 'header').length;
  for (let at = 0; at < file.length; at += at < headerLength + 40 ? 1 : 4999) {
    const copy = Uint8Array.from(file);
    copy[at] = (copy[at] ?? 0) ^ 4;
    await fails(copy, `byte ${at}`);
  }
  // Also cut where one piece ends.
  for (const length of [file.length - 1, file.length - (66_000 - 65_536) - 16, headerLength + 16, headerLength])
    await fails(file.subarray(0, length), `cut at ${length}`);
  await fails(new Uint8Array([...file, 0]), 'longer');
});

test('a header is read to a bound', () => {
  const endless = utf8(`age-encryption.org/v1\n${'-> X25519 A\n\n'.repeat(MAX_HEADER_BYTES)}`);
  assert.equal(headerOf(endless), null);
  assert.equal(headerOf(utf8('age-encryption.org/v2\n--- x\n')), null);
  assert.equal(headerOf(new Uint8Array()), null);
});

test('an error of what is read comes through', async () => {
  async function* broken(): AsyncIterable<Uint8Array> {
    yield new Uint8Array(10);
    throw new Error('no such disk');
  }
  await assert.rejects(all(encrypt(lock, broken())), /no such disk/);
});

test('the age tool opens what is encrypted here, and the other way round', needsAge, async (t) => {
  const folder = await temporaryFolder(t);
  const [identities, file] = [join(folder, 'key.txt'), join(folder, 'file.age')];
  writeFileSync(identities, `${fromUtf8(key.secret)}\n`);
  const plain = Buffer.alloc(150_000, 5);
  writeFileSync(file, await all(encrypt(lock, parts(plain))));
  const theirs = execFileSync('age', ['-d', '-i', identities, file]);
  assert.ok(theirs.equals(plain));
  execFileSync('age', ['-r', other.recipient, '-r', key.recipient, '-o', `${file}.2`], { input: plain });
  assert.deepEqual(
    await opened(new Uint8Array(readFileSync(`${file}.2`)), identity(key.secret)),
    new Uint8Array(plain),
  );
});
