/** What every link must do (src/p2p/link.ts), run on each version by link.test.ts. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PeerFault } from '../../src/lib/errors.ts';
import { BULK_FRAME_BYTES, framesOf, MAX_FRAME_BYTES } from '../../src/p2p/link.ts';
import { certificateOf, eventually, GENEROUS, helloOf, type LinkSetup, type Started, until } from '../support/links.ts';

export interface World {
  /** A started link; the same number gives the same identity, and with `again` the same address if that is possible. */
  start(number: number, setup?: LinkSetup, again?: Started): Promise<Started>;
  close(): Promise<void>;
}

const TIME = { timeoutMs: 5_000 };
const BODY = Uint8Array.of(1, 2, 3);

function introduce(from: Started, to: Started): void {
  from.link.learn(to.link.peer, to.link.addresses());
}

function ask(from: Started, to: Started, body: Uint8Array = BODY, options: object = {}): Promise<Uint8Array> {
  return from.link.request(to.link.peer, to.certificate, '/fit/message/1', body, { ...TIME, ...options });
}

function pull(from: Started, to: Started, body: Uint8Array = BODY, options: object = {}): Promise<Uint8Array> {
  return from.link.request(to.link.peer, to.certificate, '/fit/bulk/1', body, { ...TIME, ...options });
}

/** Bytes that differ at every place a reply could be cut or joined wrongly. */
function content(bytes: number, seed = 0): Uint8Array {
  const made = new Uint8Array(bytes);
  for (let at = 0, x = seed + 1; at < bytes; at += 1) {
    x = (Math.imul(x, 1_103_515_245) + 12_345) >>> 0;
    made[at] = x >>> 16;
  }
  return made;
}

function echo(at: Started): void {
  at.link.handle('/fit/message/1', async (_, body) => body);
}

/** A handler that keeps its requests until `open` is called. */
function gate(at: Started): { readonly count: () => number; readonly open: () => void } {
  let count = 0;
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  at.link.handle('/fit/message/1', async (_, body) => {
    count += 1;
    await opened;
    return body;
  });
  return { count: () => count, open };
}

export function linkSuite(name: string, createWorld: () => World): void {
  const withWorld = (what: string, run: (world: World) => Promise<void>) =>
    test(what, async () => {
      const world = createWorld();
      try {
        await run(world);
      } finally {
        await world.close();
      }
    });
  const pairOf = async (world: World, first: LinkSetup = {}, second: LinkSetup = {}) => {
    const a = await world.start(1, first);
    const b = await world.start(2, second);
    introduce(a, b);
    return [a, b] as const;
  };

  describe(`link: ${name}`, () => {
    withWorld('carries requests both ways over one connection, empty and largest', async (world) => {
      const [a, b] = await pairOf(world);
      const from: unknown[] = [];
      for (const end of [a, b])
        end.link.handle('/fit/message/1', async ({ peer, certificate }, body) => {
          from.push({ peer, certificate });
          return body;
        });
      const largest = new Uint8Array(MAX_FRAME_BYTES).fill(7);
      for (const body of [new Uint8Array(), BODY, largest]) assert.deepEqual(await ask(a, b, body), body);
      // b knows no address of a: it uses the connection that a made.
      assert.deepEqual(await ask(b, a), BODY);
      const remoteA = { peer: a.link.peer, certificate: a.certificate };
      const remoteB = { peer: b.link.peer, certificate: b.certificate };
      assert.deepEqual(from, [remoteA, remoteA, remoteA, remoteB]);
      assert.deepEqual([a.seen, b.seen], [[{ ...remoteB, up: true }], [{ ...remoteA, up: true }]]);
      assert.equal(a.link.connected(b.link.peer) && b.link.connected(a.link.peer), true);
    });

    withWorld('keeps concurrent requests apart and joins their dials', async (world) => {
      const [a, b] = await pairOf(world);
      echo(b);
      const bodies = Array.from({ length: 60 }, (_, i) => Uint8Array.of(i, i));
      assert.deepEqual(await Promise.all(bodies.map((body) => ask(a, b, body))), bodies);
      assert.equal(a.seen.length, 1);
    });

    withWorld('proves both identities before a request is handled', async (world) => {
      const order: string[] = [];
      const noting = (who: string) => ({
        binder: {
          async accept(_peer: string, hello: Uint8Array) {
            // Slow enough that a request which did not wait would come first.
            await new Promise((resolve) => setTimeout(resolve, 20));
            order.push(who);
            return certificateOf(hello[hello.length - 1] === 0x31 ? 1 : 2);
          },
        },
      });
      const [a, b] = await pairOf(world, noting('a accepts'), noting('b accepts'));
      b.link.handle('/fit/message/1', async (_, body) => {
        order.push('handled');
        return body;
      });
      await ask(a, b);
      assert.deepEqual(order, ['b accepts', 'a accepts', 'handled']);
    });

    withWorld(
      'refuses a peer with another certificate than the one expected, and keeps the connection',
      async (world) => {
        const [a, b] = await pairOf(world);
        let handled = 0;
        b.link.handle('/fit/message/1', async (_, body) => {
          handled += 1;
          return body;
        });
        const asked = a.link.request(b.link.peer, certificateOf(9), '/fit/message/1', BODY, TIME);
        await assert.rejects(asked, { name: 'PeerFault', code: 'bad-binding' });
        assert.equal(handled, 0);
        assert.deepEqual(await ask(a, b), BODY);
      },
    );

    withWorld('reports a listener whose hello is of another peer', async (world) => {
      const [a, b] = await pairOf(world, {}, { binder: { hello: () => helloOf(3) } });
      echo(b);
      await assert.rejects(ask(a, b), { name: 'PeerFault', code: 'bad-binding' });
      assert.deepEqual(a.reported, [{ peer: b.link.peer, code: 'bad-binding' }]);
      assert.equal(a.link.connected(b.link.peer) || b.link.connected(a.link.peer), false);
      assert.deepEqual([a.seen, b.seen], [[], []]);
    });

    withWorld('reports a dialler whose hello is of another peer, which is told', async (world) => {
      const [a, b] = await pairOf(world, { binder: { hello: () => helloOf(3) } });
      echo(b);
      await assert.rejects(ask(a, b), { code: 'peer-refused', data: { refusal: 'bad-binding' } });
      assert.deepEqual(b.reported, [{ peer: a.link.peer, code: 'bad-binding' }]);
      assert.deepEqual([a.seen, b.seen], [[], []]);
    });

    withWorld('a binder that fails ends the connection and nothing else', async (world) => {
      const failing = {
        binder: {
          hello: (): Uint8Array => {
            throw new Error('locked');
          },
        },
      };
      const [a, b] = await pairOf(world, failing);
      echo(b);
      await assert.rejects(ask(a, b), { code: 'peer-unreachable' });
      const c = await world.start(3);
      introduce(c, b);
      assert.deepEqual(await ask(c, b), BODY);
      assert.equal(b.link.faults(a.link.peer), 0);
    });

    withWorld('gives up at once on a peer without address and on one that does not listen', async (world) => {
      const [a, b] = await pairOf(world);
      const began = performance.now();
      const c = await world.start(3);
      await assert.rejects(ask(c, b), { code: 'peer-unreachable' });
      a.link.learn(b.link.peer, ['nonsense', '/ip4/127.0.0.1/udp/1', '/p2p/x']);
      await assert.rejects(ask(a, b), { code: 'peer-unreachable' });
      introduce(a, b);
      await b.link.stop();
      await assert.rejects(ask(a, b), { code: 'peer-unreachable' });
      assert.ok(performance.now() - began < 1_500);
    });

    withWorld('refuses what nobody handles; a failing or oversized reply is no reply', async (world) => {
      const [a, b] = await pairOf(world);
      await assert.rejects(ask(a, b), { code: 'peer-refused', data: { refusal: 'unhandled' } });
      b.link.handle('/fit/message/1', async (_, body) => {
        if (body.length === 0) throw new PeerFault('malformed', 'not what the handler wanted');
        return new Uint8Array(MAX_FRAME_BYTES + 1);
      });
      await assert.rejects(ask(a, b, new Uint8Array()), { code: 'peer-unreachable' });
      await assert.rejects(ask(a, b), { code: 'peer-unreachable' });
      assert.equal(a.link.connected(b.link.peer), true);
      echo(b);
      assert.deepEqual(await ask(a, b), BODY);
      assert.equal(b.link.faults(a.link.peer), 0);
    });

    withWorld('a request ends by its deadline or its signal, and the next ones work', async (world) => {
      const [a, b] = await pairOf(world);
      const gated = gate(b);
      const controller = new AbortController();
      const late = ask(a, b, BODY, { timeoutMs: 60 });
      const given = ask(a, b, BODY, { signal: controller.signal });
      await assert.rejects(late, { code: 'peer-unreachable', message: /in time/ });
      controller.abort();
      await assert.rejects(given, { code: 'interrupted' });
      await assert.rejects(ask(a, b, BODY, { signal: controller.signal }), { code: 'interrupted' });
      gated.open();
      assert.deepEqual(await ask(a, b), BODY);
      assert.equal(a.link.faults(b.link.peer) + b.link.faults(a.link.peer), 0);
    });

    withWorld('both sides may dial at the same time', async (world) => {
      const [a, b] = await pairOf(world);
      introduce(b, a);
      echo(a);
      echo(b);
      for (let round = 0; round < 5; round += 1)
        assert.deepEqual(await Promise.all([ask(a, b), ask(b, a)]), [BODY, BODY]);
      await b.link.stop();
      await until(() => !a.link.connected(b.link.peer), 'down');
      assert.deepEqual(a.seen.at(-1), { peer: b.link.peer, certificate: b.certificate, up: false });
      assert.equal(a.seen.filter((one) => !one.up).length, 1);
    });

    withWorld('works again after the peer restarts, at the same and at a new address', async (world) => {
      const [a, b] = await pairOf(world);
      echo(b);
      await ask(a, b);
      await b.link.stop();
      const same = await world.start(2, {}, b);
      introduce(a, same);
      echo(same);
      assert.deepEqual(await ask(a, same), BODY);
      await same.link.stop();
      const moved = await world.start(2);
      echo(moved);
      introduce(a, moved);
      assert.deepEqual(await ask(a, moved), BODY);
    });

    withWorld('a link that was stopped can be started again', async (world) => {
      const [a, b] = await pairOf(world);
      echo(b);
      await ask(a, b);
      await b.link.stop();
      await b.link.stop();
      assert.deepEqual(b.link.addresses(), []);
      await b.link.start();
      introduce(a, b);
      assert.deepEqual(await ask(a, b), BODY);
    });

    withWorld('repeats a request when the connection breaks under it', async (world) => {
      const [a, b] = await pairOf(world);
      echo(b);
      await ask(a, b);
      const gated = gate(b);
      const asked = ask(a, b);
      await until(() => gated.count() === 1, 'request there');
      const stopped = b.link.stop();
      const again = await world.start(2);
      introduce(a, again);
      echo(again);
      assert.deepEqual(await asked, BODY);
      await stopped;
      gated.open();
    });

    withWorld('gives up when the connection breaks and the peer stays away', async (world) => {
      const [a, b] = await pairOf(world);
      echo(b);
      await ask(a, b);
      const gated = gate(b);
      const failed = assert.rejects(ask(a, b), { code: 'peer-unreachable' });
      await until(() => gated.count() === 1, 'request there');
      await b.link.stop();
      await failed;
      gated.open();
      assert.equal(a.link.connected(b.link.peer), false);
    });

    withWorld('a reply given before stop arrives', async (world) => {
      const [a, b] = await pairOf(world);
      const large = new Uint8Array(200_000).fill(5);
      let stopped: Promise<void> | undefined;
      b.link.handle('/fit/message/1', async () => {
        setImmediate(() => {
          stopped = b.link.stop();
        });
        return large;
      });
      assert.deepEqual(await ask(a, b), large);
      await stopped;
    });

    withWorld('stop ends what is under way', async (world) => {
      const [a, b] = await pairOf(world);
      const gated = gate(b);
      const asked = ask(a, b);
      await until(() => gated.count() === 1, 'request there');
      const began = performance.now();
      const [ended] = await Promise.all([assert.rejects(asked, { code: 'peer-unreachable' }), a.link.stop()]);
      assert.equal(ended, undefined);
      gated.open();
      assert.ok(performance.now() - began < 1_500);
      await assert.rejects(ask(a, b), { code: 'peer-unreachable' });
      await until(() => !b.link.connected(a.link.peer), 'down');
    });

    withWorld('paces its own requests below the limits of the other end', async (world) => {
      const limits = { underWay: 4, rate: 50, burst: 20, outUnderWay: 4, outRate: 40, outBurst: 15 };
      const [a, b] = await pairOf(world, { limits }, { limits });
      echo(b);
      const replies = await Promise.all(Array.from({ length: 30 }, () => ask(a, b)));
      assert.equal(replies.length, 30);
      assert.equal(b.link.faults(a.link.peer), 0);
    });

    withWorld('carries bulk replies whole, up to the largest', async (world) => {
      const [a, b] = await pairOf(world);
      let reply: Uint8Array = new Uint8Array();
      b.link.handle('/fit/bulk/1', async () => reply);
      for (const bytes of [0, 1, 24, 256, 65_536, 131_072, 131_073, 262_144, 1_048_576, BULK_FRAME_BYTES]) {
        reply = content(bytes, bytes);
        const got = await pull(a, b, new Uint8Array(framesOf('/fit/bulk/1').request));
        assert.equal(Buffer.compare(got, reply), 0, `${bytes} bytes`);
      }
      assert.equal(a.link.faults(b.link.peer) + b.link.faults(a.link.peer), 0);
    });

    withWorld('refuses a bulk reply or request above its limit, and keeps the connection', async (world) => {
      const [a, b] = await pairOf(world);
      let bytes = BULK_FRAME_BYTES + 1;
      let handled = 0;
      b.link.handle('/fit/bulk/1', async () => {
        handled += 1;
        return new Uint8Array(bytes);
      });
      await assert.rejects(pull(a, b), { code: 'peer-unreachable' });
      assert.equal(handled, 1);
      const tooLarge = new Uint8Array(framesOf('/fit/bulk/1').request + 1);
      assert.equal(tooLarge.length, 4_097);
      await assert.rejects(pull(a, b, tooLarge), { name: 'AssertionFailed' });
      assert.equal(handled, 1);
      bytes = BULK_FRAME_BYTES;
      assert.equal((await pull(a, b)).length, bytes);
      assert.equal(a.seen.length, 1);
      assert.equal(a.link.faults(b.link.peer) + b.link.faults(a.link.peer), 0);
    });

    withWorld('four bulk requests at once, one after the other, while other protocols answer', async (world) => {
      const [a, b] = await pairOf(world);
      echo(b);
      const bodies = Array.from({ length: 4 }, (_, at) => content(1_048_576, at));
      let handled = 0;
      b.link.handle('/fit/bulk/1', async (_, body) => {
        handled += 1;
        return bodies[body[0] ?? 0] ?? new Uint8Array();
      });
      let pulling = true;
      const pulled = Promise.all(
        bodies.map(async (body, at) => {
          for (let round = 0; round < 64; round += 1) {
            const got = await pull(a, b, Uint8Array.of(at), { timeoutMs: 30_000 });
            assert.equal(Buffer.compare(got, body), 0);
          }
        }),
      ).finally(() => {
        pulling = false;
      });
      let meanwhile = 0;
      while (pulling) {
        assert.deepEqual(await ask(a, b), BODY);
        if (pulling) meanwhile += 1;
      }
      await pulled;
      assert.equal(handled, 256);
      assert.ok(meanwhile >= 20, `${meanwhile} answered meanwhile`);
      assert.equal(a.seen.length, 1);
      assert.equal(a.link.faults(b.link.peer) + b.link.faults(a.link.peer), 0);
    });

    withWorld('small bulk replies by the thousand are no flood', async (world) => {
      const [a, b] = await pairOf(world);
      b.link.handle('/fit/bulk/1', async (_, body) => body);
      const all = Array.from({ length: 3_000 }, (_, at) => pull(a, b, Uint8Array.of(at & 0xff), { timeoutMs: 30_000 }));
      const replies = await Promise.all(all);
      assert.ok(replies.every((reply, at) => reply.length === 1 && reply[0] === (at & 0xff)));
      assert.equal(b.link.faults(a.link.peer), 0);
    });

    withWorld('eight bulk requests are under way at most, and leave the places of the others free', async (world) => {
      const [a, b] = await pairOf(world, { limits: { ...GENEROUS, outBulkUnderWay: 10 } });
      echo(b);
      let count = 0;
      let open = () => {};
      const opened = new Promise<void>((resolve) => {
        open = resolve;
      });
      b.link.handle('/fit/bulk/1', async (_, body) => {
        count += 1;
        await opened;
        return body;
      });
      const all = Array.from({ length: 10 }, () =>
        pull(a, b).then(
          () => 'answered',
          (error) => error.data?.refusal,
        ),
      );
      await until(() => count === 8, 'eight handled');
      assert.equal(await Promise.race(all), 'busy');
      assert.deepEqual(await Promise.all(Array.from({ length: 16 }, () => ask(a, b))), Array(16).fill(BODY));
      open();
      const outcomes = await Promise.all(all);
      assert.deepEqual([outcomes.filter((one) => one === 'answered').length, count], [8, 8]);
      assert.deepEqual(await pull(a, b), BODY);
    });

    withWorld('other requests that wait for a handler keep no bulk request waiting', async (world) => {
      const [a, b] = await pairOf(world);
      const gated = gate(b);
      b.link.handle('/fit/bulk/1', async (_, body) => body);
      const held = Array.from({ length: 16 }, () => ask(a, b));
      await until(() => gated.count() === 16, 'all places taken');
      assert.deepEqual(await pull(a, b), BODY);
      gated.open();
      assert.equal((await Promise.all(held)).length, 16);
    });

    withWorld('refuses more requests at once than allowed, without queueing', async (world) => {
      const [a, b] = await pairOf(
        world,
        { limits: { ...GENEROUS, outUnderWay: 6 } },
        { limits: { ...GENEROUS, underWay: 4 } },
      );
      const gated = gate(b);
      const all = Array.from({ length: 6 }, () =>
        ask(a, b).then(
          () => 'answered',
          (error) => error.data?.refusal,
        ),
      );
      await until(() => gated.count() === 4, 'four handled');
      assert.deepEqual(await Promise.race(all), 'busy');
      gated.open();
      assert.deepEqual((await Promise.all(all)).toSorted(), [
        'answered',
        'answered',
        'answered',
        'answered',
        'busy',
        'busy',
      ]);
    });

    withWorld(
      'refuses a flood, disconnects a peer that goes on, keeps it out for a while; others notice nothing',
      async (world) => {
        const limits = { rate: 20, burst: 10, strikes: 15, forgiveness: 1, banMs: 2_000 };
        const b = await world.start(2, { limits });
        const a = await world.start(1, { limits: GENEROUS });
        const c = await world.start(3);
        echo(b);
        for (const other of [a, c]) introduce(other, b);
        const outcomes = Array.from({ length: 60 }, () =>
          ask(a, b).then(
            () => 'answered',
            (error) => error.data?.refusal ?? error.code,
          ),
        );
        assert.deepEqual(await ask(c, b), BODY);
        const seen = await Promise.all(outcomes);
        const count = (what: string) => seen.filter((one) => one === what).length;
        assert.ok(count('answered') >= 10 && count('answered') < 30, `answered ${count('answered')}`);
        // How many refusals still get through before the connection is cut is the network's affair.
        assert.ok(count('flood') >= 1, `refused ${count('flood')}`);
        assert.ok(
          count('flood') + count('peer-unreachable') > 30,
          `refused or cut off ${seen.length - count('answered')}`,
        );
        assert.ok(b.reported.some((one) => one.peer === a.link.peer && one.code === 'flood'));
        await until(() => !b.link.connected(a.link.peer), 'disconnected');
        await assert.rejects(ask(a, b), { code: 'peer-unreachable' });
        assert.deepEqual(await ask(c, b), BODY);
        assert.equal(b.link.connected(c.link.peer), true);
        assert.deepEqual(await eventually(() => ask(a, b)), BODY);
      },
    );
  });
}
