/**
 * Bad input to deliveries that nothing else shows end to end: a claim of a tebibyte against a gibibyte of disk, a last chunk that is
 * wrong, certificates that end too early. The table in docs/protocols/delivery.md says where the others are.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { MAX_CONTENT_BYTES } from '../../src/crypto/content.ts';
import { decodeBulkRequest, encodeBulkReply } from '../../src/daemon/bulk.ts';
import { xidOf } from '../../src/exchange/record.ts';
import { toHex } from '../../src/lib/bytes.ts';
import { MAX_WINDOW } from '../../src/lib/window.ts';
import { IN_TIME } from '../support/in-time.ts';
import { expectAsReceiver, offerAsSender } from '../support/rogue-delivery.ts';
import { rogues } from '../support/rogue-setting.ts';
import { consenting, contentOf, fileOf, move, offer, reasonOf, start } from '../support/rogue-trio.ts';
import { endAll, introduce, type StartSetup, Trader, temporary } from '../support/traders.ts';

const ENDED = ['completed', 'aborted', 'declined'] as const;
const DAY = 86_400;
const GIB = 2 ** 30;

const folder = temporary();
const [elm, ash, notary] = ['elm', 'ash', 'notary'].map((name) => new Trader(folder, name)) as [Trader, Trader, Trader];
const rogueOf = rogues(notary);

/**
 * Ash keeps contents on a disk of a gibibyte, if this machine lets its daemon have one for itself; else the claim is against the
 * disk that there is.
 */
function smallDisk(): StartSetup {
  const { content } = ash.paths;
  mkdirSync(content, { mode: 0o700 });
  const mount = 'mount -t tmpfs -o size=1g,mode=700 tmpfs "$0" && exec "$@"';
  const under = ['unshare', '--map-root-user', '--mount', 'sh', '-c', mount, content];
  return spawnSync(under[0] ?? '', [...under.slice(1), 'true']).status === 0 ? { under } : {};
}
let disk: StartSetup;

before(async () => {
  const everyone = [elm, ash, notary];
  await Promise.all(
    everyone.map((one) => one.init({ patience: '1s', ...(one === notary ? { role: 'arbiter' } : {}) })),
  );
  disk = smallDisk();
  await Promise.all([start(elm), ash.start(disk), start(notary)]);
  await introduce(everyone);
});
after(endAll);

test(
  'a claim of a tebibyte against a gibibyte of disk: refused before anything is pulled or signed, in one sentence',
  IN_TIME,
  async (t) => {
    const rogue = await rogueOf(t, ash);
    const sender = await offerAsSender(rogue, { named: MAX_CONTENT_BYTES, window: MAX_WINDOW });
    let pulled = 0;
    rogue.link.handle('/fit/bulk/1', async (_, body) => {
      decodeBulkRequest(body);
      pulled += 1;
      return encodeBulkReply({ kind: 'no', why: 'not-offered' });
    });
    await ash.waitFor(sender.deal, ['offered']);
    const to = join(folder, 'tebibyte');
    const said = await ash.fails(70, 'deal', 'receive', sender.deal, '--to', to, '--timeout', '20', ...ash.pw);
    const [, needed, free] = /^fit: this needs (\d+) bytes, and (\d+) are free for it\n/.exec(said.stderr) ?? [];
    assert.ok(Number(needed) > 2 * MAX_CONTENT_BYTES, said.stderr);
    const there = statfsSync(folder);
    assert.ok(Number(free) <= (disk.under === undefined ? there.bavail * there.bsize : GIB), `${free} bytes are free`);
    assert.match(said.stderr, /hint: make room, then receive it again; nothing was signed\n$/);
    assert.deepEqual([pulled, readdirSync(to).length], [0, 0]);
    const agent = await ash.agent();
    const shown = await agent.dealShow({ deal: sender.deal });
    assert.deepEqual([shown.state, shown.exchange], ['offered', null]);
    assert.equal((await agent.deliveryShow({ deal: sender.deal })).phase, 'waiting');
    assert.ok((await agent.approveList({})).requests.every((one) => one.state !== 'pending'));
    // Nothing is lost: what has room is fetched.
    const small = await offerAsSender(rogue, { window: MAX_WINDOW });
    await ash.waitFor(small.deal, ['offered']);
    await (await consenting(ash)).dealAccept({ deal: small.deal });
    await small.next('ready');
    assert.equal((await agent.deliveryShow({ deal: small.deal })).phase, 'fetched');
  },
);

test('the last chunk, shorter than the others, is wrong: proven by the daemon itself, and void', IN_TIME, async (t) => {
  const sender = await offerAsSender(await rogueOf(t, elm), { wrongChunk: 2 });
  assert.ok(sender.content.sealed.length === 3 && (sender.content.sealed[2]?.length ?? 0) < 65_536);
  await elm.waitFor(sender.deal, ['offered']);
  await (await consenting(elm)).dealAccept({ deal: sender.deal });
  await sender.next('ready');
  const record = sender.record();
  const { witness, promise } = sender.promise(record);
  await sender.say({ kind: 'promise', role: 'O', record, promise });
  await sender.next('promise');
  await sender.say(sender.release(record, witness));
  assert.equal(await elm.waitFor(sender.deal, ENDED), 'aborted');
  assert.match(await reasonOf(elm, sender.deal), /not what its sender signed.*you owe no receipt/);
  assert.equal(await contentOf(elm, sender.deal), undefined);
});

test(
  'a certificate that ends before the help of the arbiter does: not accepted, nothing fetched, nothing signed',
  IN_TIME,
  async (t) => {
    const sender = await offerAsSender(await rogueOf(t, elm, 5 * DAY));
    await elm.waitFor(sender.deal, ['offered']);
    const said = await elm.fails(6, 'deal', 'receive', sender.deal, '--to', join(folder, 'early'), ...elm.pw);
    assert.match(
      said.stderr,
      /^fit: this offer cannot be signed: a certificate that ends before notAfter\nfit: hint: /,
    );
    const agent = await elm.agent();
    const shown = await agent.dealShow({ deal: sender.deal });
    assert.deepEqual([shown.state, shown.exchange], ['offered', null]);
    assert.equal((await agent.deliveryShow({ deal: sender.deal })).phase, 'waiting');
  },
);

test(
  'a certificate that ends between promise and release: the receipt was promised in time and stands',
  IN_TIME,
  async (t) => {
    const rogue = await rogueOf(t, elm, 9 * DAY);
    const receiver = expectAsReceiver(rogue);
    const { path } = fileOf(elm);
    const deal = await offer(elm, rogue.card.name, path);
    const { record } = await receiver.begin();
    const { notAfter } = rogue.keys.certificate;
    assert.ok(record.notAfter <= notAfter);
    const made = receiver.promise(record);
    await receiver.say({ kind: 'promise', role: 'R', xid: xidOf(record), promise: made.promise });
    await receiver.next('release');
    // It keeps the receipt, and elm's patience is over: the window is open.
    const xid = toHex(xidOf(record));
    const isPending = async () =>
      (await (await notary.agent()).arbiterCases()).cases.some((one) => one.xid === xid && one.state === 'pending');
    while (!(await isPending())) await elm.event((event) => event.deal === deal && event.kind === 'resolve');
    await move([elm, notary], 10 * DAY);
    assert.equal(await elm.waitFor(deal, ENDED), 'completed');
    const shown = await (await elm.agent()).dealShow({ deal });
    assert.equal(shown.via, 'arbiter');
    const evidence = join(folder, 'late-evidence');
    await elm.ok('deal', 'export', deal, '--dir', evidence);
    assert.ok(existsSync(join(evidence, 'receipt.p7s')));
    await elm.ok('verify', evidence, '--content', path);
    // And what it says when its certificate has ended changes nothing.
    assert.ok(Date.now() / 1000 + 10 * DAY > notAfter);
    assert.equal((await receiver.say(receiver.release(record, made.witness))).kind, 'ok');
    assert.equal((await (await elm.agent()).dealShow({ deal })).state, 'completed');
  },
);
