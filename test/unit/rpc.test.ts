import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { createServer, connect as dial, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { FitError, isFitError, PeerFault } from '../../src/lib/errors.ts';
import type { Agent, FitEvent } from '../../src/rpc/agent.ts';
import { connect } from '../../src/rpc/client.ts';
import { createLineReader, MAX_REQUEST_BYTES } from '../../src/rpc/lines.ts';
import { METHODS, parseParams } from '../../src/rpc/messages.ts';
import { type Connection, type RpcServer, serve } from '../../src/rpc/server.ts';

const folder = mkdtempSync(join(tmpdir(), 'fit-rpc-'));
const socketPath = join(folder, 'run', 'fitd.sock');
let server: RpcServer;
const internal: { error: unknown; method: string }[] = [];
const calls: { method: string; params: unknown }[] = [];
const connections: Connection[] = [];
const closedIds: number[] = [];

const EVENT: FitEvent = { seq: 7, at: '2026-11-20T12:00:00Z', kind: 'message', deal: 'k7q2m3xd9abc' };

/** Only the methods that the tests call; the server must cope with any of them failing. */
function fakeAgent(connection: Connection): Agent {
  connections.push(connection);
  connection.onClose(() => closedIds.push(connection.id));
  const methods = {
    async whoami() {
      return { name: 'Trader Elm', proven: connection.proven };
    },
    async prove() {
      connection.proven = true;
      return { proven: true };
    },
    async dealAccept(params: object) {
      calls.push({ method: 'dealAccept', params });
      throw new FitError('wrong-state', 'offer k7q2 changed', { hint: 'fit deal diff k7q2', data: { version: 3 } });
    },
    async dealAbort() {
      throw new PeerFault('bad-proof', 'secret detail');
    },
    async dealResolve() {
      throw new TypeError('cannot read the private key at 0x1234');
    },
    dealWait(): Promise<never> {
      return new Promise((_, reject) => connection.onClose(() => reject(new FitError('interrupted', 'stopping'))));
    },
    async subscribe() {
      connection.notify(EVENT);
      return { seq: 6 };
    },
    async dealPropose(params: object) {
      calls.push({ method: 'dealPropose', params });
      return { deal: 'x' };
    },
  };
  return methods as unknown as Agent;
}

before(async () => {
  server = await serve(fakeAgent, socketPath, { onInternalError: (error, method) => internal.push({ error, method }) });
});

after(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

async function failure(promise: Promise<unknown>): Promise<FitError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(isFitError(error), `no FitError: ${String(error)}`);
  return error;
}

/** Sends raw text and gives what came back until the server closed or `lines` lines arrived. */
function raw(
  text: string | Uint8Array,
  lines: number,
): Promise<{ messages: Record<string, unknown>[]; ended: boolean }> {
  return new Promise((resolve) => {
    let got = '';
    const socket: Socket = dial(socketPath, () => socket.write(text));
    const done = (ended: boolean) => {
      socket.destroy();
      resolve({
        messages: got
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line)),
        ended,
      });
    };
    socket.on('data', (chunk) => {
      got += chunk.toString();
      if (got.split('\n').length > lines) done(false);
    });
    socket.on('error', () => {});
    socket.on('end', () => done(true));
    socket.on('close', () => done(true));
  });
}

function codeOf(message: Record<string, unknown> | undefined): number | undefined {
  return (message?.error as { code: number } | undefined)?.code;
}

describe('socket', () => {
  test('is 0600 in a 0700 folder', () => {
    assert.equal(statSync(socketPath).mode & 0o777, 0o600);
    assert.equal(statSync(join(folder, 'run')).mode & 0o777, 0o700);
  });

  test('a folder that others may enter is refused', async () => {
    const open = mkdtempSync(join(tmpdir(), 'fit-rpc-open-'));
    const { chmodSync } = await import('node:fs');
    chmodSync(open, 0o755);
    assert.equal((await failure(serve(fakeAgent, join(open, 'x.sock')))).code, 'bad-config');
    rmSync(open, { recursive: true });
  });

  test('the umask is as before', () => {
    const mask = process.umask();
    assert.notEqual(mask, 0o177);
  });

  test('a missing and a dead socket are daemon-unreachable', async () => {
    assert.equal((await failure(connect(join(folder, 'none.sock')))).code, 'daemon-unreachable');
    const path = join(folder, 'dead.sock');
    const dead = createServer();
    await new Promise<void>((resolve) => dead.listen(path, resolve));
    const { linkSync } = await import('node:fs');
    linkSync(path, join(folder, 'kept.sock'));
    await new Promise((resolve) => dead.close(resolve));
    assert.equal((await failure(connect(join(folder, 'kept.sock')))).code, 'daemon-unreachable');
  });
});

describe('calls', () => {
  test('parameters arrive without the version, results come back', async () => {
    const client = await connect(socketPath);
    assert.deepEqual(await client.dealPropose({ document: 'YQ==', to: 'oak', arbiter: 'elm', expires: 60 }), {
      deal: 'x',
    });
    assert.deepEqual(calls.at(-1)?.params, { document: 'YQ==', to: 'oak', arbiter: 'elm', expires: 60 });
    client.close();
    await client.closed;
  });

  test('proof of the passphrase belongs to one connection', async () => {
    const [one, two] = await Promise.all([connect(socketPath), connect(socketPath)]);
    await one.prove({ passphrase: 'x' });
    assert.equal(((await one.whoami()) as unknown as { proven: boolean }).proven, true);
    assert.equal(((await two.whoami()) as unknown as { proven: boolean }).proven, false);
    one.close();
    two.close();
  });

  test('code, hint and data of an error cross', async () => {
    const client = await connect(socketPath);
    const error = await failure(client.dealAccept({ deal: 'k7q2' }));
    assert.equal(error.code, 'wrong-state');
    assert.equal(error.message, 'offer k7q2 changed');
    assert.equal(error.hint, 'fit deal diff k7q2');
    assert.deepEqual(error.data, { version: 3 });
    assert.equal((await failure(client.dealAbort({ deal: 'k7q2' }))).code, 'peer-fault');
    client.close();
  });

  test('an unexpected error is internal, without its text, and told to the daemon', async () => {
    const client = await connect(socketPath);
    const error = await failure(client.dealResolve({ deal: 'k7q2' }));
    assert.equal(error.code, 'internal');
    assert.doesNotMatch(`${error.message}${error.hint}${JSON.stringify(error.data)}`, /private key|0x1234/);
    assert.equal(internal.at(-1)?.method, 'dealResolve');
    client.close();
  });

  test('events come in order with the subscription, also before a listener is set', async () => {
    const client = await connect(socketPath);
    await client.subscribe({});
    const event = await new Promise((resolve) => client.onEvent(resolve));
    assert.deepEqual(event, EVENT);
    client.close();
  });

  test('calls run side by side and closing tells the daemon', async () => {
    const client = await connect(socketPath);
    const waiting = failure(client.dealWait({ deal: 'k7q2', for: ['contracted'], timeoutMs: 60_000 }));
    await client.whoami();
    const id = connections.at(-1)?.id;
    client.close();
    assert.equal((await waiting).code, 'daemon-unreachable');
    await client.closed;
    const second = await connect(socketPath);
    await second.whoami();
    assert.ok(id !== undefined && closedIds.includes(id));
    second.close();
  });

  test('a call after the close fails', async () => {
    const client = await connect(socketPath);
    client.close();
    await client.closed;
    assert.equal((await failure(client.whoami())).code, 'daemon-unreachable');
  });
});

describe('strictness', () => {
  test('every method has a schema that refuses an unknown field and a missing version', () => {
    for (const method of METHODS) {
      assert.throws(() => parseParams(method, {}), { code: 'version-mismatch' });
      assert.throws(() => parseParams(method, { rpc: 2 }), { code: 'version-mismatch' });
      assert.throws(() => parseParams(method, { rpc: 1, unknown: 1 }), { code: 'usage' });
      assert.throws(() => parseParams(method, [1]), { code: 'usage' });
    }
  });

  const refused: [string, Parameters<typeof parseParams>[0], object][] = [
    ['passphrase too long', 'unlock', { passphrase: 'x'.repeat(1025) }],
    ['passphrase of another type', 'unlock', { passphrase: 7 }],
    ['document that is not base64', 'dealPropose', { document: '****', to: 'a', arbiter: 'b' }],
    ['empty wait', 'dealWait', { deal: 'k', for: [], timeoutMs: 1 }],
    ['unknown state', 'dealWait', { deal: 'k', for: ['done'], timeoutMs: 1 }],
    ['negative timeout', 'dealWait', { deal: 'k', for: ['contracted'], timeoutMs: -1 }],
    ['digest in upper case', 'dealAccept', { deal: 'k', document: 'A'.repeat(64) }],
    ['empty deal id', 'dealShow', { deal: '' }],
    ['undefined is not absent', 'dealDecline', { deal: 'k', reason: undefined }],
  ];
  for (const [name, method, params] of refused) {
    test(name, () => assert.throws(() => parseParams(method, { rpc: 1, ...params }), { code: 'usage' }));
  }

  test('a refused value is not repeated in the message', () => {
    assert.throws(
      () => parseParams('unlock', { rpc: 1, passphrase: 4711 }),
      (error: Error) => !error.message.includes('4711'),
    );
  });

  test('an unknown method is told, and the connection lives on', async () => {
    const lines = [
      '{"jsonrpc":"2.0","id":1,"method":"launch","params":{"rpc":1}}',
      '{"jsonrpc":"2.0","id":2,"method":"whoami","params":{"rpc":1}}',
    ];
    const { messages } = await raw(`${lines.join('\n')}\n`, 2);
    const byId = new Map(messages.map((message) => [message.id, message]));
    assert.equal(codeOf(byId.get(1)), -32601);
    assert.ok(byId.get(2)?.result);
  });

  for (const name of ['constructor', '__proto__', 'toString', 'then', 'hasOwnProperty']) {
    test(`${name} is no method`, async () => {
      const { messages } = await raw(`{"jsonrpc":"2.0","id":1,"method":"${name}","params":{"rpc":1}}\n`, 1);
      assert.equal(codeOf(messages[0]), -32601);
    });
  }

  for (const [name, bytes] of [
    ['not JSON', 'hello\n'],
    ['a batch', '[{"jsonrpc":"2.0","id":1,"method":"whoami"}]\n'],
    ['null', 'null\n'],
    ['invalid UTF-8', new Uint8Array([0x22, 0xff, 0x22, 0x0a])],
  ] as const) {
    test(`${name} is answered with one error and ends the connection`, async () => {
      const { messages, ended } = await raw(bytes, 99);
      assert.equal(messages.length, 1);
      assert.ok(messages[0]?.error);
      assert.ok(ended);
    });
  }

  test('a line without end is cut off at 1 MiB', async () => {
    const { messages, ended } = await raw('x'.repeat(MAX_REQUEST_BYTES + 1), 99);
    assert.equal(messages.length, 1);
    assert.ok(ended);
  });

  test('a request too large is refused before it is sent', async () => {
    const client = await connect(socketPath);
    assert.equal((await failure(client.contactAdd({ card: 'x'.repeat(MAX_REQUEST_BYTES), as: 'a' }))).code, 'usage');
    client.close();
  });
});

describe('lines', () => {
  test('any cutting gives the same lines', () => {
    const text = 'one\n\ntwo ✓\nthree';
    const bytes = Buffer.from(text);
    for (let size = 1; size <= bytes.length; size++) {
      const reader = createLineReader(100);
      const lines: string[] = [];
      for (let at = 0; at < bytes.length; at += size) {
        for (const line of reader.push(bytes.subarray(at, at + size))) lines.push(Buffer.from(line).toString());
      }
      assert.deepEqual(lines, ['one', '', 'two ✓']);
    }
  });

  test('the limit holds for finished and unfinished lines', () => {
    assert.doesNotThrow(() => createLineReader(4).push(Buffer.from('1234\n1234')));
    assert.throws(() => createLineReader(4).push(Buffer.from('12345\n')), RangeError);
    const reader = createLineReader(4);
    reader.push(Buffer.from('123'));
    assert.throws(() => reader.push(Buffer.from('45')), RangeError);
  });
});

test('closing answers what runs, tells connections and removes the socket', async () => {
  const path = join(folder, 'second', 'fitd.sock');
  const second = await serve(fakeAgent, path);
  const client = await connect(path);
  const waiting = failure(client.dealWait({ deal: 'k7q2', for: ['contracted'], timeoutMs: 60_000 }));
  await client.whoami();
  await second.close();
  assert.equal((await waiting).code, 'interrupted');
  await client.closed;
  assert.throws(() => statSync(path), { code: 'ENOENT' });
});
