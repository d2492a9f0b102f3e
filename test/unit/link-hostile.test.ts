/** Peers that break the protocol: each fault is counted, ends no more than it must, and other peers notice nothing. */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import type { Connection, Libp2p, Stream } from '@libp2p/interface';
import { concat } from '../../src/lib/bytes.ts';
import { encode } from '../../src/lib/cbor.ts';
import { delimit, encodeAnswer, encodeRequest, FRAME_OVERHEAD } from '../../src/p2p/frames.ts';
import { IDENTITY_PROTOCOL, MAX_HELLO_BYTES } from '../../src/p2p/handshake.ts';
import { BULK_FRAME_BYTES, framesOf, MAX_FRAME_BYTES, type Protocol } from '../../src/p2p/link.ts';
import { selectionOf } from '../../src/p2p/selection.ts';
import { dial, exchange, frameOf, open, prove, sendRaw } from '../support/hostile.ts';
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
import { certificateOf, eventually, helloOf, until } from '../support/links.ts';

const FRAMES: readonly [string, readonly Uint8Array[], string, { end?: boolean }?][] = [
  ['larger than allowed', [varint(MAX_FRAME_BYTES + FRAME_OVERHEAD + 1)], 'oversized'],
  ['with a length of four bytes', [Uint8Array.of(0x81, 0x80, 0x80, 0x01)], 'oversized'],
  [
    'of the largest length with a body above the limit',
    [delimit(encode([1, new Uint8Array(MAX_FRAME_BYTES + 1)]))],
    'malformed',
  ],
  ['cut off', [request.subarray(0, -1)], 'malformed', { end: true }],
  ['empty', [frameOf()], 'malformed'],
  ['with a length in more bytes than needed', [concat(Uint8Array.of(0x86, 0x00), request.subarray(1))], 'malformed'],
  ['not CBOR', [frameOf(0xff, 0xff)], 'malformed'],
  ['with an integer in more bytes than needed', [frameOf(0x82, 0x18, 0x01, 0x40)], 'malformed'],
  ['with a length of its body in more bytes than needed', [frameOf(0x82, 0x01, 0x58, 0x01, 0x00)], 'malformed'],
  ['of indefinite length', [frameOf(0x9f, 0x01, 0x40, 0xff)], 'malformed'],
  ['with a map', [frameOf(0xa1, 0x01, 0x40)], 'malformed'],
  ['with a text as body', [frameOf(0x82, 0x01, 0x60)], 'malformed'],
  ['without body', [frameOf(0x81, 0x01)], 'malformed'],
  ['with something behind the body', [frameOf(0x83, 0x01, 0x40, 0x40)], 'malformed'],
  ['with bytes behind the CBOR', [frameOf(0x82, 0x01, 0x40, 0x00)], 'malformed'],
  ['with bytes behind the frame', [concat(request, Uint8Array.of(0))], 'malformed'],
  ['of version 2', [delimit(encode([2, BODY]))], 'unknown-version'],
  ['of version 0', [delimit(encode([0, BODY]))], 'unknown-version'],
];

describe('a request', () => {
  scene(
    'that is no frame of ours is not handled; the stream is reset, the connection stays',
    { strikes: 1_000 },
    async (at) => {
      const connection = await enter(at);
      for (const [i, [name, pieces, code, options]] of FRAMES.entries()) {
        const stream = await sendRaw(connection, '/fit/message/1', pieces, options);
        await until(() => stream.status === 'reset', `${name}: reset`);
        assert.equal(at.reported[i], `${last4} ${code}`, name);
        assert.equal(at.link.faults(attacker), i + 1, name);
      }
      assert.equal(at.handled, 0);
      assert.deepEqual(await exchange(connection, BODY), encodeAnswer(BODY));
    },
  );

  scene('that comes while another one is handled on its stream is out of turn', {}, async (at) => {
    let open = () => {};
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    at.link.handle('/fit/message/1', async (_, body) => {
      await opened;
      return body;
    });
    const connection = await enter(at);
    const stream = await sendRaw(connection, '/fit/message/1', [request, request], { everyMs: 50 });
    await until(() => stream.status === 'reset', 'reset');
    open();
    await until(() => at.reported.length === 1, 'fault');
    assert.deepEqual(at.reported, [`${last4} out-of-order`]);
  });

  scene('that trickles in is cut off', { frameMs: 150 }, async (at) => {
    const connection = await enter(at);
    const slow = Array.from({ length: 40 }, (_, i) => (i === 0 ? varint(1_000) : Uint8Array.of(0)));
    const began = performance.now();
    const stream = await sendRaw(connection, '/fit/message/1', slow, { everyMs: 20 });
    await until(() => stream.status === 'reset', 'reset');
    assert.deepEqual(at.reported, [`${last4} malformed`]);
    assert.ok(performance.now() - began < 700);
  });

  scene('stream on which nothing comes is closed, which is no fault', { frameMs: 100 }, async (at) => {
    const connection = await enter(at);
    const stream = await sendRaw(connection, '/fit/message/1', []);
    await until(() => stream.status === 'reset', 'reset');
    assert.equal(at.link.faults(attacker), 0);
    assert.deepEqual(await exchange(connection, BODY), encodeAnswer(BODY));
  });

  scene('after too many faults finds the connection gone and the door closed', { banMs: 300 }, async (at) => {
    const connection = await enter(at);
    for (let i = 0; i < 6 && connection.status === 'open'; i += 1)
      await sendRaw(connection, '/fit/message/1', [frameOf(0)]).catch(() => {});
    await until(() => connection.status !== 'open' && !at.link.connected(attacker), 'disconnected');
    const node = await at.node(7);
    await assert.rejects(dial(node, at.link.addresses()).then((again) => prove(again, 7)));
    await eventually(async () => prove(await dial(node, at.link.addresses()), 7));
  });
});

describe('an identity handshake', () => {
  scene('must come before any request', {}, async (at) => {
    const connection = await dial(await at.node(7), at.link.addresses());
    await sendRaw(connection, '/fit/message/1', [request]);
    await until(() => connection.status !== 'open', 'connection closed');
    assert.deepEqual(at.reported, [`${last4} out-of-order`]);
    assert.equal(at.handled, 0);
  });

  scene('must be complete before any request', {}, async (at) => {
    const connection = await dial(await at.node(7), at.link.addresses());
    await sendRaw(connection, IDENTITY_PROTOCOL, [delimit(encodeRequest(helloOf(7)))]);
    await sendRaw(connection, '/fit/message/1', [request]);
    await until(() => connection.status !== 'open', 'connection closed');
    assert.deepEqual(at.reported, [`${last4} out-of-order`]);
    assert.equal(at.handled, 0);
    assert.equal(at.link.connected(attacker), false);
  });

  scene(
    'must come in time, whole, once, and be about the peer that makes it',
    { handshakeMs: 250, strikes: 1_000 },
    async (at) => {
      const honest = await at.honest(3);
      await honest.request(at.link.peer, certificateOf(1), '/fit/message/1', BODY, TIME);
      const node = await at.node(7);
      const hello = delimit(encodeRequest(helloOf(7)));
      const cases: [string, readonly Uint8Array[], string?][] = [
        ['nothing', []],
        ['no acceptance', [hello]],
        ['half a hello', [hello.subarray(0, 20)]],
        ['garbage', [frameOf(1, 2, 3)], 'malformed'],
        ['a hello that the binder cannot read', [delimit(encodeRequest(BODY))], 'malformed'],
        ['another peer’s hello', [delimit(encodeRequest(helloOf(3)))], 'bad-binding'],
        ['version 2', [delimit(encode([2, helloOf(7)]))], 'unknown-version'],
        ['a reply', [delimit(encodeAnswer(helloOf(7)))], 'malformed'],
        ['too large', [varint(MAX_HELLO_BYTES + FRAME_OVERHEAD + 1)], 'oversized'],
        ['a body in the acceptance', [hello, delimit(encodeAnswer(BODY))], 'malformed'],
        ['a second hello as acceptance', [hello, hello], 'oversized'],
      ];
      for (const [name, pieces, code] of cases) {
        const before = at.reported.length;
        const connection = await dial(node, at.link.addresses());
        await sendRaw(connection, IDENTITY_PROTOCOL, pieces, { everyMs: 30 });
        await until(() => connection.status !== 'open', `${name}: closed`);
        assert.deepEqual(at.reported.slice(before), code === undefined ? [] : [`${last4} ${code}`], name);
      }
      const silent = await dial(node, at.link.addresses());
      await until(() => silent.status !== 'open', 'no stream at all: closed');
      assert.equal(at.link.connected(attacker), false);
      assert.equal(at.link.connected(honest.peer), true);

      const connection = await dial(node, at.link.addresses());
      await prove(connection, 7);
      const again = await sendRaw(connection, IDENTITY_PROTOCOL, [hello]);
      await until(() => again.status === 'reset', 'a second handshake');
      assert.equal(at.reported.at(-1), `${last4} out-of-order`);
      assert.deepEqual(await exchange(connection, BODY), encodeAnswer(BODY));
    },
  );
});

describe('a listener', () => {
  /** Proves itself, then treats every request as `serve` says. */
  async function hostile(
    at: Scene,
    serve: (stream: Stream) => void,
    protocol: Protocol = '/fit/message/1',
  ): Promise<Libp2p> {
    const node = await at.node(7, { listen: ['/ip4/127.0.0.1/tcp/0'] });
    await node.handle(IDENTITY_PROTOCOL, (stream) => {
      stream.addEventListener('message', () => stream.writeStatus === 'writable' && void answer(stream), {
        once: true,
      });
    });
    const answer = async (stream: Stream) => stream.send(delimit(encodeAnswer(helloOf(7))));
    await node.handle(protocol, (stream) => {
      stream.addEventListener('message', () => serve(stream));
    });
    at.link.learn(attacker, node.getMultiaddrs().map(String));
    return node;
  }

  scene('that replies with anything but one proper frame is at fault', { strikes: 1_000 }, async (at) => {
    let reply: readonly Uint8Array[] = [];
    await hostile(at, (stream) => {
      for (const piece of reply) stream.send(piece);
    });
    const cases: [string, Uint8Array, string][] = [
      ['garbage', frameOf(1, 2), 'malformed'],
      ['a request', request, 'malformed'],
      ['too large', varint(MAX_FRAME_BYTES + FRAME_OVERHEAD + 1), 'oversized'],
      ['version 9', delimit(encode([9, 0, BODY])), 'unknown-version'],
      ['kind 2', delimit(encode([1, 2, BODY])), 'malformed'],
      ['a refusal that is no code', delimit(encode([1, 1, '\u001b[2J'])), 'malformed'],
      ['a refusal that is long', delimit(encode([1, 1, 'x'.repeat(33)])), 'malformed'],
      ['two replies', concat(delimit(encodeAnswer(BODY)), delimit(encodeAnswer(BODY))), 'malformed'],
    ];
    for (const [name, bytes, code] of cases) {
      reply = [bytes];
      const asked = at.link.request(attacker, certificateOf(7), '/fit/message/1', BODY, TIME);
      await assert.rejects(asked, { name: 'PeerFault', code }, name);
      assert.equal(at.reported.at(-1), `${last4} ${code}`, name);
    }
    reply = [delimit(encode([1, 1, 'not-known-here']))];
    const refused = at.link.request(attacker, certificateOf(7), '/fit/message/1', BODY, TIME);
    await assert.rejects(refused, { code: 'peer-refused', data: { refusal: 'not-known-here' } });
    const before = at.reported.length;
    reply = [delimit(encodeAnswer(BODY))];
    const ask = () => at.link.request(attacker, certificateOf(7), '/fit/message/1', BODY, TIME);
    assert.deepEqual(await ask(), BODY);
    assert.equal(at.reported.length, before);
  });

  scene('that announces a bulk reply above the limit, or trickles one, is at fault', { frameMs: 50 }, async (at) => {
    let reply = varint(BULK_FRAME_BYTES + FRAME_OVERHEAD + 1);
    await hostile(at, (stream) => void stream.send(reply), '/fit/bulk/1');
    const ask = () => at.link.request(attacker, certificateOf(7), '/fit/bulk/1', BODY, TIME);
    await assert.rejects(ask(), { name: 'PeerFault', code: 'oversized' });
    reply = delimit(encode([1, 0, new Uint8Array(BULK_FRAME_BYTES + 1)]));
    await assert.rejects(ask(), { name: 'PeerFault', code: 'malformed' });
    reply = varint(BULK_FRAME_BYTES);
    const began = performance.now();
    await assert.rejects(ask(), { name: 'PeerFault', code: 'malformed' });
    const patience = 50 * framesOf('/fit/bulk/1').patience;
    const took = performance.now() - began;
    assert.ok(took >= patience - 5 && took < patience + 1_000, `cut off after ${took} ms`);
    assert.deepEqual(at.reported, [`${last4} oversized`, `${last4} malformed`, `${last4} malformed`]);
    reply = delimit(encodeAnswer(BODY));
    assert.deepEqual(await ask(), BODY);
  });

  scene('that sends a frame nobody asked for on a kept stream is at fault', {}, async (at) => {
    let unasked = () => {};
    await hostile(at, (stream) => {
      stream.send(delimit(encodeAnswer(BODY)));
      unasked = () => stream.send(delimit(encodeAnswer(BODY)));
    });
    const ask = () => at.link.request(attacker, certificateOf(7), '/fit/message/1', BODY, TIME);
    assert.deepEqual(await ask(), BODY);
    unasked();
    await until(() => at.reported.length === 1, 'fault');
    assert.deepEqual(at.reported, [`${last4} out-of-order`]);
    assert.deepEqual(await ask(), BODY);
  });

  scene('that resets, ends or ignores requests gives no reply', {}, async (at) => {
    let serve = (_: Stream) => {};
    await hostile(at, (stream) => serve(stream));
    const ask = (timeoutMs: number) =>
      at.link.request(attacker, certificateOf(7), '/fit/message/1', BODY, { timeoutMs });
    await assert.rejects(ask(100), { code: 'peer-unreachable', message: /in time/ });
    serve = (stream) => stream.abort(new Error('no'));
    await assert.rejects(ask(5_000), { code: 'peer-unreachable' });
    serve = (stream) => void stream.close();
    await assert.rejects(ask(5_000), { code: 'peer-unreachable' });
    assert.deepEqual(at.reported, []);
  });
});

describe('many', () => {
  scene('parallel streams of one peer do not keep others out', { underWay: 4 }, async (at) => {
    const honest = await at.honest(3);
    const ask = () => honest.request(at.link.peer, certificateOf(1), '/fit/message/1', BODY, TIME);
    await ask();
    const connection = await enter(at);
    const streams = await Promise.allSettled(Array.from({ length: 1_000 }, () => open(connection, '/fit/message/1')));
    const opened = streams.flatMap((one) =>
      one.status === 'fulfilled' && one.value.status === 'open' ? [one.value] : [],
    );
    assert.ok(opened.length <= 64, `${opened.length} streams open`);
    for (const stream of opened) stream.send(request);
    const began = performance.now();
    assert.deepEqual(await ask(), BODY);
    assert.ok(performance.now() - began < 1_000);
  });

  scene(
    'bytes instead of a selection, or a frame beyond the window, end the stream or the connection at once',
    {},
    async (at) => {
      const honest = await at.honest(3);
      const connection = await enter(at);
      const muxer = muxerOf(connection);
      const garbage = new Uint8Array(250_000).fill(0xff);
      for (const bytes of [garbage, selectionOf('/ipfs/ping/1.0.0'), Uint8Array.of(3, 0x6c, 0x73, 0x0a)]) {
        const stream = await muxer.createStream();
        stream.send(bytes);
        const began = performance.now();
        await until(() => stream.status === 'reset', 'reset');
        assert.ok(performance.now() - began < 500, 'no time spent on it');
      }
      assert.deepEqual(await exchange(connection, BODY), encodeAnswer(BODY));
      // The header of a data frame of 4 GiB.
      const send: unknown = Reflect.get(muxer, 'send');
      assert.ok(typeof send === 'function');
      Reflect.apply(send, muxer, [Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 9, 0xff, 0xff, 0xff, 0xff)]);
      await until(() => connection.status !== 'open', 'connection closed');
      assert.deepEqual(await honest.request(at.link.peer, certificateOf(1), '/fit/message/1', BODY, TIME), BODY);
    },
  );

  scene('pings end the connection that they come on', {}, async (at) => {
    const honest = await at.honest(3);
    const connection = await enter(at);
    const muxer = muxerOf(connection);
    const ping: unknown = Reflect.get(muxer, 'sendPing');
    assert.ok(typeof ping === 'function');
    // Its own library would end the connection at the first answer to a ping that it does not know of.
    Reflect.set(muxer, 'handlePing', () => {});
    for (let i = 0; i < 30_000 && connection.status === 'open'; i += 1) {
      Reflect.apply(ping, muxer, [i]);
      if (i % 2_000 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => connection.status !== 'open', 'connection closed');
    assert.deepEqual(await honest.request(at.link.peer, certificateOf(1), '/fit/message/1', BODY, TIME), BODY);
  });

  scene('connections of one peer: the youngest stay', { connectionsPerPeer: 3 }, async (at) => {
    const node = await at.node(7);
    const connections: Connection[] = [];
    for (let i = 0; i < 6; i += 1) {
      const connection = await dial(node, at.link.addresses());
      await prove(connection, 7);
      connections.push(connection);
    }
    const isOpen = () => connections.map((one) => one.status === 'open');
    await until(() => isOpen().filter(Boolean).length === 3, 'three left');
    assert.deepEqual(isOpen(), [false, false, false, true, true, true]);
  });
});
