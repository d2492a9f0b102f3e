/** What a locked daemon sends to an arbiter that has no room yet for what it is to compare. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createMemoryStore } from '../../src/archive/memory-store.ts';
import { createArchive } from '../../src/archive/sealed-store.ts';
import { decodeSpooled, encodeSpooled, watchSpool } from '../../src/daemon/spool.ts';
import { encodePieceReply, isPiece } from '../../src/exchange/pieces.ts';
import { concat, toHex } from '../../src/lib/bytes.ts';
import { silentLogger } from '../../src/lib/log.ts';
import type { Link } from '../../src/p2p/link.ts';
import { ManualClock, settled } from '../support/manual-clock.ts';
import { makeContent } from '../support/rogue-delivery.ts';
import { temporaryFolder } from '../support/temporary.ts';

test('what is not taken at first is brought again until it is, though no answer can be read', async (t) => {
  const folder = await temporaryFolder(t);
  const clock = new ManualClock();
  const content = makeContent({ bytes: 150_000 });
  writeFileSync(join(folder, 'f'), concat(...content.sealed));
  const archive = await createArchive(createMemoryStore(), { spoolKey: new Uint8Array(32) });
  const xid = toHex(new Uint8Array(32).fill(7));
  const spooled = {
    certificate: 'ab'.repeat(32),
    peer: 'a peer',
    addresses: [],
    due: clock.now() / 1000,
    request: Uint8Array.of(1, 2, 3),
    answer: null,
    ciphertext: { folder: 'f', bytes: 150_000, root: content.sealedRoot },
  };
  await archive.batch([{ kind: 'put', space: 'spool', key: xid, value: encodeSpooled(spooled) }]);

  let room = false;
  let asked = 0;
  const taken = new Set<string>();
  const link = {
    learn() {},
    async request(...[, , , body]: Parameters<Link['request']>) {
      if (!isPiece(body)) {
        asked += 1;
        return Uint8Array.of(asked);
      }
      if (room) taken.add(toHex(body));
      return encodePieceReply(room ? 'taken' : 'not-wanted');
    },
  };
  const stop = await watchSpool({
    archive,
    link: link as unknown as Link,
    clock,
    log: silentLogger,
    locked: () => true,
    sealed: (name) => join(folder, name),
  });
  t.after(stop);
  const answer = async (): Promise<number | undefined> => {
    const stored = await archive.get('spool', xid);
    return stored === undefined ? undefined : decodeSpooled(stored).answer?.[0];
  };
  const until = async (given: number): Promise<void> => {
    while ((await answer()) !== given || (clock.timers === 0 && !room)) await settled();
  };
  await clock.pass(0);
  await until(2);
  await clock.pass(10_000);
  await until(4);
  room = true;
  assert.equal(clock.timers, 1);
  await clock.pass(20_000);
  await until(6);
  assert.equal(taken.size, content.sealed.length);
  // It was compared: the answer that lies here is the one that counts.
  await clock.pass(86_400_000);
  assert.deepEqual([asked, await answer(), clock.timers], [6, 6, 0]);
});
