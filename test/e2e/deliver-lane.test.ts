/** Large content takes a lane between the two daemons, and the link where there is none: the same bytes either way. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { chunksOf } from '../../src/crypto/content.ts';
import { endAll, startTrio, type Trio } from '../support/traders.ts';

const BYTES = 9 * 1024 * 1024 + 77;

let trio: Trio;
let contract: string;

before(async () => {
  trio = await startTrio({ patience: '1h' });
  const { elm, oak } = trio;
  contract = await elm.offer(oak);
  await oak.waitFor(contract, ['offered']);
  await (await oak.consenting()).dealAccept({ deal: contract });
  await Promise.all([elm, oak].map((one) => one.waitFor(contract, ['contracted'])));
});
after(endAll);

/** Delivers a file; the numbers of chunks that came by lanes meanwhile. */
async function deliver(name: string): Promise<readonly number[]> {
  const { elm, oak } = trio;
  const said = (): string => readFileSync(oak.log, 'utf8');
  const before = said().length;
  const path = join(elm.folder, name);
  const data = randomBytes(BYTES);
  writeFileSync(path, data);
  const into = join(oak.folder, `in-${name}`);
  const receiving = oak.fit('deal', 'receive', contract, '--to', into, '--timeout', '60', ...oak.pw, '--json');
  const sent = await elm.fit('deal', 'deliver', contract, path, '--timeout', '60', ...elm.pw, '--json');
  const received = await receiving;
  assert.equal(sent.code, 0, sent.stderr);
  assert.equal(received.code, 0, received.stderr);
  const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
  assert.equal(sha(readFileSync(join(into, name))), sha(data));
  const lines = said().slice(before).trimEnd().split('\n');
  return lines.flatMap((line) => {
    if (!line.startsWith('{')) return [];
    const { msg, came } = JSON.parse(line) as { readonly msg: string; readonly came?: number };
    return msg === 'content came by a lane' && came !== undefined ? [came] : [];
  });
}

test('large content comes by a lane', async () => {
  assert.deepEqual(await deliver('by-lane.bin'), [chunksOf(BYTES)]);
});

test('a sender that offers none, and a receiver that wants none: the link carries it', async () => {
  for (const one of [trio.elm, trio.oak]) {
    await one.ok('config', 'set', 'bulk.lane', 'off');
    await one.restart();
    assert.deepEqual(await deliver(`without-${one.name}.bin`), []);
    await one.ok('config', 'set', 'bulk.lane', 'any');
    await one.restart();
  }
});

test('a port that is another one’s, and a setting that is none', async () => {
  const { elm } = trio;
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await elm.ok('config', 'set', 'bulk.lane', String((server.address() as AddressInfo).port));
    await elm.restart();
    assert.deepEqual(await deliver('taken.bin'), []);
  } finally {
    server.close();
  }
  for (const bad of ['0', '65536', 'on', '']) await elm.fails(2, 'config', 'set', 'bulk.lane', bad);
});
