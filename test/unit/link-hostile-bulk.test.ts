/** Peers that take the largest replies slowly, or never: what they can make a link hold, and what others notice of it. */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Connection, Stream } from '@libp2p/interface';
import { encode } from '../../src/lib/cbor.ts';
import { delimit, encodeAnswer, FRAME_OVERHEAD } from '../../src/p2p/frames.ts';
import { BULK_FRAME_BYTES, framesOf } from '../../src/p2p/link.ts';
import { exchange, open, sendRaw } from '../support/hostile.ts';
import {
  attacker,
  BODY,
  enter,
  last4,
  muxerOf,
  request,
  type Scene,
  scene,
  TIME,
  varint,
} from '../support/hostile-scene.ts';
import { certificateOf, until } from '../support/links.ts';

setFlagsFromString('--expose-gc');
const collect: unknown = runInNewContext('gc');

/** Bytes of buffers that something still refers to: what remains when collecting garbage no longer changes them much. */
async function held(): Promise<number> {
  assert.ok(typeof collect === 'function');
  for (let before = Number.POSITIVE_INFINITY; ; ) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 5));
    const now = process.memoryUsage().arrayBuffers;
    if (Math.abs(now - before) < 64 * 1024) return now;
    before = now;
  }
}

describe('a bulk request', () => {
  const BULK = '/fit/bulk/1';
  const LARGEST = framesOf(BULK).request;

  /** Replies of the largest size, each in memory of its own, and how many were made. */
  function serve(at: Scene): { count: number } {
    const made = { count: 0 };
    at.link.handle(BULK, async () => {
      made.count += 1;
      return new Uint8Array(BULK_FRAME_BYTES).fill(made.count);
    });
    return made;
  }

  /** A stream that asks and takes no more than its first window of the reply. */
  async function stalled(connection: Connection): Promise<Stream> {
    const stream = await open(connection, BULK);
    stream.pause();
    stream.send(request);
    return stream;
  }

  scene('above its limit is at fault, and the connection stays', {}, async (at) => {
    const made = serve(at);
    const connection = await enter(at);
    for (const piece of [varint(LARGEST + FRAME_OVERHEAD + 1), delimit(encode([1, new Uint8Array(LARGEST + 1)]))]) {
      const stream = await sendRaw(connection, BULK, [piece]);
      await until(() => stream.status === 'reset', 'reset');
    }
    assert.deepEqual(at.reported, [`${last4} oversized`, `${last4} malformed`]);
    assert.equal(made.count, 0);
    assert.deepEqual(await exchange(connection, BODY), encodeAnswer(BODY));
  });

  scene('whose reply is not taken holds one of eight places and its reply, no more', { frameMs: 250 }, async (at) => {
    const made = serve(at);
    const connection = await enter(at);
    const before = await held();
    const streams = await Promise.all(Array.from({ length: 16 }, () => stalled(connection)));
    await until(() => made.count === 8, 'eight handled');
    // The others were refused, which is all that they have to read.
    for (let round = 0; round < 20; round += 1) assert.deepEqual(await exchange(connection, BODY), encodeAnswer(BODY));
    assert.equal(made.count, 8);
    const grown = (await held()) - before;
    assert.equal(streams.filter((stream) => stream.status === 'reset').length, 0);
    // Each reply once, a piece on its way, and a first window at the other end, which is in this process too and keeps it in
    // buffers that may be twice as large. A second copy of the replies would be above that.
    const bound = 8 * (BULK_FRAME_BYTES + 128 * 1024 + 2 * 256 * 1024);
    assert.ok(bound < 8 * (2 * BULK_FRAME_BYTES + 256 * 1024));
    assert.ok(grown < bound, `${grown} bytes held, at most ${bound}`);
    const reset = () => streams.filter((stream) => stream.status === 'reset').length;
    await until(() => reset() === 8, 'cut off');
    const left = (await held()) - before;
    assert.ok(left < 2 * BULK_FRAME_BYTES + 8 * 256 * 1024, `${left} bytes held after all`);
    assert.equal(
      (await exchange(connection, BODY, BULK))?.length,
      encodeAnswer(new Uint8Array(BULK_FRAME_BYTES)).length,
    );
    assert.equal(at.link.faults(attacker), 0);
  });

  scene('whose reply is taken later than a small frame may take is answered in full', { frameMs: 100 }, async (at) => {
    serve(at);
    const connection = await enter(at);
    // Nothing comes on this one, so it is closed when the time for a frame is over.
    const watch = await sendRaw(connection, '/fit/message/1', []);
    const stream = await stalled(connection);
    let bytes = 0;
    stream.addEventListener('message', (event) => {
      bytes += event.data.byteLength;
    });
    await until(() => watch.status === 'reset', 'the time of a frame over');
    assert.equal(bytes, 0);
    stream.resume();
    const whole = delimit(encodeAnswer(new Uint8Array(BULK_FRAME_BYTES))).length;
    await until(() => bytes === whole, 'all of the reply');
  });

  scene('given up again and again uses up strikes', { strikes: 30, forgiveness: 0.1 }, async (at) => {
    const made = serve(at);
    const honest = await at.honest(3);
    const connection = await enter(at);
    while (connection.status === 'open' && made.count < 200) {
      const before = made.count;
      const stream = await stalled(connection).catch(() => undefined);
      if (stream === undefined) break;
      await until(() => made.count > before || connection.status !== 'open', 'handled');
      stream.abort(new Error('given up'));
    }
    await until(() => connection.status !== 'open', 'connection closed');
    assert.ok(made.count >= 30 && made.count < 60, `${made.count} handled`);
    assert.deepEqual(at.reported, [`${last4} flood`]);
    assert.deepEqual(await honest.request(at.link.peer, certificateOf(1), '/fit/message/1', BODY, TIME), BODY);
  });

  scene(
    'of a peer that gives window and reads nothing holds no more than the replies',
    { quietMs: 400, probeMs: 400 },
    async (at) => {
      const made = serve(at);
      const connection = await enter(at);
      const muxer = muxerOf(connection);
      const before = await held();
      const streams = await Promise.all(Array.from({ length: 8 }, () => open(connection, BULK)));
      const wire: unknown = Reflect.get(muxer, 'maConn');
      const send: unknown = Reflect.get(muxer, 'sendFrame');
      assert.ok(typeof send === 'function' && typeof wire === 'object' && wire !== null && 'pause' in wire);
      assert.ok(typeof wire.pause === 'function');
      wire.pause();
      for (const stream of streams) {
        // A window of 1 GiB more (type 1).
        Reflect.apply(send, muxer, [{ type: 1, flag: 0, streamID: Number(stream.id), length: 2 ** 30 }]);
        stream.send(request);
      }
      await until(() => made.count === 8, 'eight handled');
      const grown = (await held()) - before;
      assert.equal(at.link.connected(attacker), true);
      const bound = 8 * (BULK_FRAME_BYTES + 4 * 128 * 1024);
      assert.ok(grown < bound, `${grown} bytes held, at most ${bound}`);
      await until(() => !at.link.connected(attacker), 'noticed as dead');
      assert.equal(made.count, 8);
    },
  );
});
