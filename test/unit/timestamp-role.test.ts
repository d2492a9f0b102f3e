/** The timestamp authority of a trader: its serial numbers, what costs a write, and when it is silent. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createMemoryStore } from '../../src/archive/memory-store.ts';
import { createArchive } from '../../src/archive/sealed-store.ts';
import type { Store } from '../../src/archive/store.ts';
import { timestampRequest, verifyTimestamp } from '../../src/crypto/pki/timestamp.ts';
import { createKeys, openKeyring, timestampKeyOf } from '../../src/daemon/keyring.ts';
import { createTimestampRole } from '../../src/daemon/timestamp-role.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { isFitError } from '../../src/lib/errors.ts';
import { systemRng } from '../../src/lib/rng.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary.ts';

const PASSPHRASE = 'seven quiet words';
const digest = new Uint8Array(32).fill(5);
const request = (): Uint8Array => timestampRequest(digest, randomBytes(16));
const code = (wanted: string) => (error: unknown) => isFitError(error) && error.code === wanted;

async function authority(t: TestContext) {
  const folder = join(await temporaryFolder(t), 'keys');
  const ports = { clock: systemClock, rng: systemRng };
  await createKeys(folder, { name: 'Elm', passphrase: PASSPHRASE, arbiter: false, timestamp: true }, ports);
  const keyring = openKeyring(folder, systemClock);
  await keyring.unlock(PASSPHRASE);
  const { certificate } = timestampKeyOf(keyring);
  const clock = new ManualClock();
  clock.set(Date.now());
  /** The role over a store of its own or over one that was there before, and how often it wrote. */
  const over = async (store: Store = createMemoryStore()) => {
    const archive = await createArchive(store, { spoolKey: new Uint8Array(32) });
    let writes = 0;
    const counting = {
      ...archive,
      get locked() {
        return archive.locked;
      },
      get: archive.get.bind(archive),
      batch: (ops: Parameters<typeof archive.batch>[0]) => {
        writes += 1;
        return archive.batch(ops);
      },
    };
    const role = createTimestampRole({ archive: counting, keyring, clock });
    const stamp = async () => {
      const result = verifyTimestamp(await role.handle(request()), { digest, authorities: [certificate] });
      assert.ok(result.ok, result.ok ? '' : result.message);
      return { serial: Number.parseInt(result.timestamp.serial, 16), time: result.timestamp.time };
    };
    return { role, stamp, writes: () => writes };
  };
  return { keyring, certificate, clock, over };
}

test('many at once have serial numbers of their own; a clock that goes back repeats none', async (t) => {
  const { clock, over } = await authority(t);
  const store = createMemoryStore();
  const first = await over(store);
  const stamps = await Promise.all(Array.from({ length: 20 }, () => first.stamp()));
  const serials = stamps.map((one) => one.serial);
  assert.equal(new Set(serials).size, 20);
  assert.ok(stamps.every((one) => one.time === Math.floor(clock.now() / 1000)));
  clock.set(clock.now() - 60_000);
  const again = await over(store);
  const { serial, time } = await again.stamp();
  assert.equal(serial, Math.max(...serials) + 1);
  assert.equal(time, Math.floor(clock.now() / 1000));
});

test('a store that was lost repeats no serial number', async (t) => {
  const { clock, over } = await authority(t);
  const before = await (await over()).stamp();
  clock.set(clock.now() + 1);
  const after = await (await over()).stamp();
  assert.ok(after.serial > before.serial);
});

test('what is no request is refused without a write', async (t) => {
  const { certificate, over } = await authority(t);
  const { role, stamp, writes } = await over();
  for (const bytes of [new Uint8Array(), randomBytes(100), new Uint8Array(5000), request().subarray(2)]) {
    const result = verifyTimestamp(await role.handle(bytes), { digest, authorities: [certificate] });
    assert.ok(!result.ok && result.code === 'not-granted');
  }
  assert.equal(writes(), 0);
  await stamp();
  assert.equal(writes(), 1);
});

test('no answer while locked, nor outside the time for which its certificate is valid', async (t) => {
  const { keyring, certificate, clock, over } = await authority(t);
  const { role, stamp } = await over();
  for (const at of [certificate.notBefore - 1, certificate.notAfter + 1]) {
    clock.set(at * 1000);
    await assert.rejects(role.handle(request()), code('wrong-state'));
  }
  clock.set(certificate.notAfter * 1000);
  await stamp();
  keyring.lock();
  await assert.rejects(role.handle(request()), code('locked'));
});
