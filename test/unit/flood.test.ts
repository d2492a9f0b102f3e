/** What bounds the disk and the memory that others can take: the allowance of a contact, the outbox, the inbox. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMemoryStore } from '../../src/archive/memory-store.ts';
import { createArchive } from '../../src/archive/sealed-store.ts';
import { accountOf, createAllowance, OF_A_CONTACT } from '../../src/daemon/allowance.ts';
import { createInbox } from '../../src/daemon/inbox.ts';
import { createOutbox, type Letter } from '../../src/daemon/outbox.ts';
import { isFitError } from '../../src/lib/errors.ts';
import { silentLogger } from '../../src/lib/log.ts';
import type { Link } from '../../src/p2p/link.ts';
import { ManualClock } from '../support/manual-clock.ts';

const archive = () => createArchive(createMemoryStore(), { spoolKey: new Uint8Array(32) });
const body = (n: number) => Uint8Array.of(n >> 8, n & 255);

test('a contact that sends without end is told to wait, another one is not', async () => {
  const clock = new ManualClock();
  const allowance = createAllowance(clock, OF_A_CONTACT);
  let taken = 0;
  while (allowance.take('a', 100)) taken += 1;
  assert.ok(taken >= 10_000 && taken < 20_000, `${taken}`);
  assert.ok(allowance.take('b', 100));
  await clock.pass(1000);
  assert.ok(allowance.take('a', 100));
  assert.ok(!allowance.take('a', 100_000));
});

test('an account is an address of IPv4, or the network of one of IPv6, in whatever form it is written', () => {
  const network = '2001:db8:0:a1';
  for (const one of ['2001:db8:0:a1::', '2001:DB8:0:a1::5', '2001:0db8:0000:00a1:1:2:3:4', '2001:db8:0:a1:ffff::1'])
    assert.equal(accountOf(one), network);
  assert.equal(accountOf('fe80::1%eth0'), accountOf('fe80::2%eth1'));
  assert.notEqual(accountOf('2001:db8:0:a2::5'), network);
  for (const one of ['127.0.0.1', '192.0.2.7', '::ffff:192.0.2.7', 'a peer']) assert.equal(accountOf(one), one);
  assert.notEqual(accountOf('::ffff:c000:207'), accountOf('::ffff:c000:208'));
});

test('a full outbox refuses what a person says and never drops what an exchange has to say', async () => {
  const outbox = createOutbox({
    archive: await archive(),
    link: {} as Link,
    clock: new ManualClock(),
    log: silentLogger,
    peerOf: () => undefined,
    onAck: () => {},
  });
  const letter = (ref: string, n: number): Letter => ({
    to: 'ab'.repeat(32),
    protocol: ref.startsWith('x/') ? '/fit/exchange/1' : '/fit/message/1',
    body: body(n),
    ref,
    until: null,
  });
  for (let n = 0; n < 1000; n += 1) outbox.post(letter('d/0123456789ab', n)).posted();
  assert.throws(
    () => outbox.post(letter('d/0123456789ab', 1000)),
    (error) => isFitError(error) && error.code === 'busy',
  );
  assert.equal(outbox.post(letter('x/00/release', 1001)).ops.length, 1);
  assert.equal(outbox.waiting(), 1000);
});

test('what came while locked: each message once, in order, a share for each sender', async () => {
  const store = await archive();
  const clock = new ManualClock();
  const from = (certificate: string) => ({ peer: 'p', certificate });
  const inbox = await createInbox(store, clock);
  const keep = (certificate: string, n: number, at = inbox) =>
    at.keep({ protocol: '/fit/message/1', from: from(certificate), body: body(n) });
  for (let n = 0; n < 100; n += 1) assert.ok(await keep('a', n));
  assert.ok(await keep('a', 7), 'kept already');
  assert.ok(!(await keep('a', 100)));
  clock.set(5);
  assert.ok(await keep('b', 0), 'also after the clock was set back');
  const unread = await inbox.unread();
  assert.deepEqual(
    unread.map(([, message]) => message.body),
    [...Array.from({ length: 100 }, (_, n) => body(n)), body(0)],
  );
  const again = await createInbox(store, clock);
  assert.ok(!(await keep('a', 100, again)), 'also after a restart');
  await again.remove(unread[0]?.[0] ?? '');
  assert.ok(await keep('a', 100, again));
});
