/** The link on real sockets: addresses, other programs, silence, and peers that vanish. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { utf8 } from '../../src/lib/bytes.ts';
import { peerOf } from '../../src/p2p/identity.ts';
import { createLibp2pLink, type Libp2pLink } from '../../src/p2p/libp2p-link.ts';
import type { LinkLimits } from '../../src/p2p/limits.ts';
import { selectionOf } from '../../src/p2p/selection.ts';
import { dial, hostileNode, prove } from '../support/hostile.ts';
import { binderOf, certificateOf, seedOf, until } from '../support/links.ts';

const BODY = Uint8Array.of(1, 2, 3);
const LOCAL = '/ip4/127.0.0.1/tcp/0';

type Cleanup = (stop: () => unknown) => void;

/** A test that stops all it started, last first. */
function clean(name: string, run: (cleanup: Cleanup) => Promise<void>): void {
  test(name, async () => {
    const stops: (() => unknown)[] = [];
    try {
      await run((stop) => stops.push(stop));
    } finally {
      for (const stop of stops.reverse()) await stop();
    }
  });
}

async function start(cleanup: Cleanup, number: number, limits: Partial<LinkLimits> = {}, listen = LOCAL) {
  const link = createLibp2pLink({ seed: seedOf(number), listen: [listen], binder: binderOf(number), limits });
  link.handle('/fit/message/1', async (_, body) => body);
  cleanup(() => link.stop());
  await link.start();
  return link;
}

function ask(from: Libp2pLink, number: number, timeoutMs = 5_000): Promise<Uint8Array> {
  return from.request(peerOf(seedOf(number)), certificateOf(number), '/fit/message/1', BODY, { timeoutMs });
}

function portOf(link: Libp2pLink): number {
  return Number(/\/tcp\/(\d+)\//.exec(link.addresses()[0] ?? '')?.[1]);
}

const PROGRAM = join(dirname(fileURLToPath(import.meta.url)), '../support/link-peer.program.js');

async function spawnPeer(cleanup: Cleanup, ...args: readonly string[]): Promise<[ChildProcess, string]> {
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  cleanup(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  const [line] = await once(child.stdout ?? assert.fail(), 'data');
  return [child, String(line).trim()];
}

clean('listens on a free port and says where; a taken one is reported as such', async (cleanup) => {
  const link = await start(cleanup, 1);
  assert.match(link.addresses().join(), new RegExp(`^/ip4/127\\.0\\.0\\.1/tcp/[1-9]\\d+/p2p/${link.peer}$`));
  const second = createLibp2pLink({
    seed: seedOf(2),
    listen: [`/ip4/127.0.0.1/tcp/${portOf(link)}`],
    binder: binderOf(2),
  });
  cleanup(() => second.stop());
  await assert.rejects(second.start(), { code: 'bad-config', data: { taken: true } });
  await assert.rejects(start(cleanup, 3, {}, '/ip4/203.0.113.1/tcp/0'), { code: 'bad-config', data: {} });
  await link.stop();
  await second.start();
  assert.equal(second.addresses().length, 1);
});

clean('a peer at another address than the one known is not taken for it', async (cleanup) => {
  const [a, b] = [await start(cleanup, 1), await start(cleanup, 2)];
  a.learn(peerOf(seedOf(3)), [`/ip4/127.0.0.1/tcp/${portOf(b)}`]);
  await assert.rejects(ask(a, 3), { code: 'peer-unreachable' });
  // Without PeerId in the address, and behind one where nobody is.
  a.learn(b.peer, ['/ip4/127.0.0.1/tcp/1', `/ip4/127.0.0.1/tcp/${portOf(b)}`]);
  assert.deepEqual(await ask(a, 2), BODY);
});

clean('another network cannot connect', async (cleanup) => {
  const link = await start(cleanup, 1);
  const stranger = await hostileNode(7, { prologue: utf8('fit/0') });
  cleanup(() => stranger.stop());
  await assert.rejects(dial(stranger, link.addresses()));
});

clean('garbage, silence and trickles on raw sockets neither harm nor keep others out', async (cleanup) => {
  const link = await start(cleanup, 1, { upgradeMs: 400, unprovenPerHost: 8, connectionRate: 1_000 });
  const sockets = Array.from({ length: 40 }, (_, i) => {
    const socket = net.connect({ port: portOf(link), host: '127.0.0.1', localAddress: '127.0.0.2' });
    socket.on('error', () => {});
    cleanup(() => socket.destroy());
    const talk = [
      () => {},
      () => socket.write(Buffer.alloc(100_000, 0xff)),
      () => socket.write('GET / HTTP/1.1\r\n\r\n'),
      () => socket.write(Buffer.from('\x13/multistream/1.0.0\n')),
      () => socket.write(Buffer.from('\x13/multistream/1.0.0\n\x07/noise\n\x00\x20')),
      () => socket.write(Buffer.from('\x13/multistream/1.0.0\n\x07/noise\n\xff\xff', 'latin1')),
      () => socket.end(),
      () => socket.resetAndDestroy(),
    ][i % 8];
    socket.on('connect', () => talk?.());
    return socket;
  });
  await Promise.allSettled(sockets.map((socket) => once(socket, 'connect')));
  const honest = await start(cleanup, 2);
  honest.learn(link.peer, link.addresses());
  const began = performance.now();
  assert.deepEqual(await ask(honest, 1), BODY);
  assert.ok(performance.now() - began < 1_000, 'not held up');
  await until(() => sockets.every((socket) => socket.closed), 'all closed', 2_000);
  // The host whose connections were refused may come again.
  const again = await hostileNode(7, { from: '127.0.0.2' });
  cleanup(() => again.stop());
  await prove(await dial(again, link.addresses()), 7);
});

clean('one host has so many connections without identity at most', async (cleanup) => {
  const link = await start(cleanup, 1, { unprovenPerHost: 8, connectionRate: 1_000 });
  const sockets = Array.from({ length: 20 }, () => {
    const socket = net.connect({ port: portOf(link), host: '127.0.0.1', localAddress: '127.0.0.2' });
    socket.on('error', () => {});
    cleanup(() => socket.destroy());
    return socket;
  });
  const open = () => sockets.filter((socket) => !socket.closed).length;
  await until(() => open() === 8, 'eight left', 1_000);
  const [one] = sockets.filter((socket) => !socket.closed);
  one?.destroy();
  await until(() => open() === 7, 'seven left');
  const honest = await hostileNode(7, { from: '127.0.0.2' });
  cleanup(() => honest.stop());
  await prove(await dial(honest, link.addresses()), 7);
  assert.equal(open(), 7);
});

clean('a listener that is no peer gets nowhere', async (cleanup) => {
  const link = await start(cleanup, 1, { dialMs: 600 });
  const talks: ((socket: net.Socket) => void)[] = [
    (socket) => socket.write(Buffer.alloc(500_000, 0xff)),
    (socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'),
    (socket) => socket.write(Buffer.concat([selectionOf('/noise'), Buffer.alloc(100_000, 0xff)])),
    (socket) => socket.destroy(),
    () => {},
  ];
  for (const talk of talks) {
    const server = net.createServer((socket) => {
      cleanup(() => socket.destroy());
      socket.on('error', () => {});
      talk(socket);
    });
    cleanup(() => server.close());
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const address = server.address();
    assert.ok(typeof address === 'object' && address !== null);
    link.learn(peerOf(seedOf(2)), [`/ip4/127.0.0.1/tcp/${address.port}`]);
    const began = performance.now();
    await assert.rejects(ask(link, 2), { code: 'peer-unreachable' });
    assert.ok(performance.now() - began < 1_000, 'soon');
  }
});

clean('one host has so many connections at most', async (cleanup) => {
  const link = await start(cleanup, 1, { connectionsPerHost: 3, connectionRate: 1_000 });
  let refused = 0;
  for (let i = 10; i < 16; i += 1) {
    const node = await hostileNode(i, { from: '127.0.0.2' });
    cleanup(() => node.stop());
    await dial(node, link.addresses())
      .then((connection) => prove(connection, i))
      .catch(() => {
        refused += 1;
      });
  }
  assert.equal(refused, 3);
  const honest = await start(cleanup, 2);
  honest.learn(link.peer, link.addresses());
  assert.deepEqual(await ask(honest, 1), BODY);
});

clean('a connection that went silent is noticed on both sides, and replaced', async (cleanup) => {
  const limits = { quietMs: 100, probeMs: 150, handshakeMs: 500, dialMs: 1_000 };
  const [a, b] = [await start(cleanup, 1, limits), await start(cleanup, 2, limits)];
  // A wire that can be cut so that neither end is told.
  const pipes: [net.Socket, net.Socket][] = [];
  const wire = net.createServer((near) => {
    const far = net.connect(portOf(b), '127.0.0.1');
    pipes.push([near, far]);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from
        .on('data', (data) => to.write(data))
        .on('error', () => {})
        .on('close', () => to.destroy());
      cleanup(() => from.destroy());
    }
  });
  cleanup(() => wire.close());
  await once(wire.listen(0, '127.0.0.1'), 'listening');
  const address = wire.address();
  assert.ok(typeof address === 'object' && address !== null);
  a.learn(b.peer, [`/ip4/127.0.0.1/tcp/${address.port}`]);
  const down: string[] = [];
  a.onPeer((_, up) => up || down.push('a'));
  b.onPeer((_, up) => up || down.push('b'));
  await ask(a, 2);
  // Idle for longer than silence and probe together: probes are answered.
  await new Promise((resolve) => setTimeout(resolve, 600));
  assert.deepEqual(down, []);
  for (const [near, far] of pipes) for (const socket of [near, far]) socket.removeAllListeners('data').pause();
  await until(() => down.length === 2, 'down', 2_000);
  assert.deepEqual(await ask(a, 2), BODY);
});

clean('a killed peer is noticed at once and found again; a stopped one times out and goes on', async (cleanup) => {
  const link = await start(cleanup, 1);
  const [first, address] = await spawnPeer(cleanup, '2');
  const peer = peerOf(seedOf(2));
  link.learn(peer, [address]);
  assert.deepEqual(await ask(link, 2), BODY);
  first.kill('SIGKILL');
  await until(() => !link.connected(peer), 'down', 2_000);
  const began = performance.now();
  await assert.rejects(ask(link, 2), { code: 'peer-unreachable' });
  assert.ok(performance.now() - began < 500, 'refused at once');

  const [second] = await spawnPeer(cleanup, '2', address.replace(/\/p2p\/.*/, ''));
  assert.deepEqual(await ask(link, 2), BODY);
  second.kill('SIGSTOP');
  await assert.rejects(ask(link, 2, 200), { code: 'peer-unreachable', message: /in time/ });
  second.kill('SIGCONT');
  assert.deepEqual(await ask(link, 2), BODY);
});

clean('nothing is left running after stop', async (cleanup) => {
  const [child] = await spawnPeer(cleanup, '4', LOCAL, 'once');
  const [code] =
    child.exitCode === null ? await once(child, 'exit', { signal: AbortSignal.timeout(4_000) }) : [child.exitCode];
  assert.equal(code, 0);
});
