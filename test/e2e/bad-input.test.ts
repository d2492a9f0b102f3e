/**
 * Bad input, each with a clear error, the right exit code, and nothing changed: from the person, from files, from the disk,
 * from the clock, and from a peer that has proven who it is and then sends whatever it likes.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync, cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { startDaemon } from '../../src/daemon/compose.ts';
import type { Daemon } from '../../src/daemon/daemon.ts';
import { openKeyring } from '../../src/daemon/keyring.ts';
import { decodeAck } from '../../src/daemon/outbox.ts';
import { decodeMessage, encodeMessage } from '../../src/exchange/messages.ts';
import { PROMISE_MAX_BYTES } from '../../src/exchange/promise.ts';
import { decode, encode } from '../../src/lib/cbor.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { createLibp2pLink } from '../../src/p2p/libp2p-link.ts';
import type { Protocol } from '../../src/p2p/link.ts';
import type { ContactResult, DealSummary } from '../../src/rpc/agent.ts';
import { test } from '../support/in-time.ts';
import {
  CONTRACT,
  endAll,
  fit,
  introduce,
  PASSPHRASE,
  parsed,
  sameContract,
  startTrio,
  Trader,
} from '../support/traders.ts';

const PROGRAM = fileURLToPath(new URL('../support/crashing-fitd.program.js', import.meta.url));
const ENDED = ['contracted', 'aborted', 'withdrawn', 'declined'] as const;
const DAY = 86_400;

let elm: Trader;
let oak: Trader;
let notary: Trader;
let folder = '';
let propose: readonly string[] = [];
const at = (name: string): string => join(folder, name);
const write = (name: string, data: string | Uint8Array): void => writeFileSync(at(name), data);

before(async () => {
  ({ elm, oak, notary } = await startTrio({ patience: '1s' }));
  folder = elm.folder;
  propose = ['--to', 'oak', '--arbiter', 'notary', ...elm.pw];
  write('contract.md', CONTRACT);
  write('wrong.pw', 'not the passphrase\n');
});
after(endAll);

async function dealsOf(trader: Trader): Promise<readonly DealSummary[]> {
  return (await (await trader.agent()).dealList()).deals;
}

/** A contract goes through, both sides hold it: nothing that happened before has done harm. */
async function allIsWell(author = elm, signer = oak): Promise<string> {
  const deal = await author.offer(signer);
  await signer.waitFor(deal, ['offered']);
  await (await signer.consenting()).dealAccept({ deal });
  for (const side of [author, signer]) assert.equal(await side.waitFor(deal, ENDED), 'contracted');
  await sameContract(author, signer, deal);
  return deal;
}

test('a wrong passphrase: 9, and nothing is offered', async () => {
  const said = await elm.fails(
    9,
    'deal',
    'propose',
    'contract.md',
    ...propose.slice(0, 4),
    '--passphrase-file',
    'wrong.pw',
  );
  assert.match(said.stderr, /passphrase/);
  assert.deepEqual(await dealsOf(elm), []);
});

test('a locked daemon: 8, and nothing is offered', async () => {
  await elm.ok('lock');
  await elm.fails(8, 'deal', 'propose', 'contract.md', ...propose);
  await elm.fails(8, 'contact', 'list');
  await elm.ok('unlock', ...elm.pw);
  assert.deepEqual(await dealsOf(elm), []);
});

test('a second daemon on one home: 10', async () => {
  await assert.rejects(
    new Trader(folder, 'elm').start(),
    /code 10: [\s\S]*fit: a daemon is running for this home already/,
  );
  assert.equal((await (await elm.agent()).status()).pid, elm.pid);
});

test('a card that is truncated, altered, our own, or another one for a pinned name', async () => {
  const card = (await oak.fit('card')).stdout.trim();
  const own = (await elm.fit('card')).stdout.trim();
  const before = await elm.ok<ContactResult>('contact', 'show', 'oak');
  const middle = Math.floor(card.length / 2);
  const altered = `${card.slice(0, middle)}${card[middle] === 'q' ? 'p' : 'q'}${card.slice(middle + 1)}`;
  const bad: readonly (readonly [string, string | Uint8Array])[] = [
    ['truncated', card.slice(0, -7)],
    ['cut to its beginning', card.slice(0, 8)],
    ['altered', altered],
    ['empty', ''],
    ['no text', Uint8Array.of(0xff, 0xfe, 0)],
    ['too long', 'fit1'.padEnd(70_000, 'q')],
    ['our own', own],
  ];
  for (const [what, data] of bad) {
    write('bad.card', data);
    const said = await elm.fit('contact', 'add', 'bad.card', '--as', 'stranger');
    assert.equal(said.code, 2, `${what}: ${said.stderr}`);
    assert.match(said.stderr, /^fit: /);
  }
  write('notary.card', (await notary.fit('card')).stdout);
  await elm.fails(4, 'contact', 'add', 'notary.card', '--as', 'oak');
  await elm.fails(4, 'contact', 'add', 'notary.card', '--as', 'somebody');
  await elm.fails(2, 'contact', 'add', 'no-such.card', '--as', 'stranger');
  assert.deepEqual(await elm.ok<ContactResult>('contact', 'show', 'oak'), before);
  assert.equal((await elm.ok<{ contacts: unknown[] }>('contact', 'list')).contacts.length, 2);
});

test('texts that nobody can sign: refused with line and column', async () => {
  const line = (text: string) => Buffer.from(`# Title\n\nfirst\nab${text}cd\n`);
  const bad: readonly (readonly [what: string, data: Uint8Array, where: string])[] = [
    ['escape sequence', line('\u001b[31m'), 'line 4, column 3'],
    ['bidi control', line('\u202e'), 'line 4, column 3'],
    ['zero-width', line('\u200b'), 'line 4, column 3'],
    ['unassigned', line('\u0378'), 'line 4, column 3'],
    ['CRLF', Buffer.from('# Title\n\nfirst\r\n'), 'line 3, column 6'],
    ['invalid UTF-8', Buffer.concat([Buffer.from('# Title\n\nab'), Uint8Array.of(0xc3, 0x28)]), 'line 3, column 3'],
    ['not NFC', line('e\u0301'), 'line 4, column 3'],
  ];
  for (const [what, data, where] of bad) {
    write('bad.md', data);
    const said = await elm.fails(2, 'deal', 'propose', 'bad.md', ...propose);
    assert.ok(said.stderr.includes(where), `${what}: ${said.stderr}`);
    const linted = await fit(['lint', 'bad.md', '--json'], { cwd: folder });
    assert.equal(linted.code, 1);
    const [finding] = parsed<{ findings: { line: number; column: number }[] }>(linted).findings;
    assert.equal(`line ${finding?.line}, column ${finding?.column}`, where, what);
  }
  write('bad.md', '# Title\n\n'.padEnd(10_000_000, 'many words '));
  const large = await elm.fails(2, 'deal', 'propose', 'bad.md', ...propose);
  assert.match(large.stderr, /larger than 64 KiB/);
  write('bad.md', '');
  await elm.fails(2, 'deal', 'propose', 'bad.md', ...propose);
  await elm.fails(2, 'deal', 'propose', 'no-such.md', ...propose);
  assert.deepEqual(await dealsOf(elm), []);
});

test('an acceptance of a text that was withdrawn, or took the place of another, meanwhile', async () => {
  for (const change of ['withdrawn', 'countered'] as const) {
    const deal = await elm.offer(oak);
    await oak.waitFor(deal, ['offered']);
    await oak.kill();
    const agent = await elm.consenting();
    if (change === 'withdrawn') await agent.dealWithdraw({ deal });
    else await agent.dealCounter({ deal, document: Buffer.from(CONTRACT.replace('120', '130')).toString('base64') });
    await elm.kill();
    await oak.start();
    assert.equal((await (await oak.consenting()).dealAccept({ deal })).state, 'signing');
    await elm.start();
    const ours = await oak.waitFor(deal, ENDED);
    assert.notEqual(ours, 'contracted');
    const theirs = await (await elm.agent()).dealShow({ deal });
    assert.ok(['withdrawn', 'offered'].includes(theirs.state), theirs.state);
    assert.equal(theirs.exchange, null);
    await assert.rejects(oak.evidence(deal), { code: 'wrong-state' });
  }
  await allIsWell();
});

for (const days of [1, -1]) {
  test(`a clock ${days === 1 ? 'a day ahead' : 'a day behind'}: nothing is signed`, async () => {
    const deal = await elm.offer(oak);
    await oak.waitFor(deal, ['offered']);
    await oak.kill();
    await oak.start({ program: PROGRAM, env: { FIT_TEST_DAEMON: JSON.stringify({ aheadSec: days * DAY }) } });
    await oak.event((event) => event.kind === 'clock-differs' && event.contact === 'elm');
    const said = await oak.fails(4, 'deal', 'accept', deal, ...oak.pw);
    assert.match(said.stderr, /clock/);
    for (const side of [elm, oak]) assert.equal((await (await side.agent()).dealShow({ deal })).state, 'offered');
    await oak.kill();
    await oak.start();
    await (await oak.consenting()).dealAccept({ deal });
    for (const side of [elm, oak]) assert.equal(await side.waitFor(deal, ENDED), 'contracted');
  });
}

test('an archive with one flipped byte is refused, and one that was put back is not', async () => {
  await oak.kill();
  // One in every file: the largest may be a log that was put away already and only not yet deleted.
  const files = readdirSync(oak.paths.archive)
    .filter((name) => /\.(log|ldb)$/.test(name))
    .map((name) => join(oak.paths.archive, name))
    .map((file) => ({ file, whole: readFileSync(file) }))
    .filter(({ whole }) => whole.length > 0)
    .map(({ file, whole }) => {
      const altered = Buffer.from(whole);
      const place = Math.floor(whole.length / 2);
      altered[place] = (altered[place] ?? 0) ^ 1;
      return { file, altered };
    });
  assert.ok(files.length > 0, 'an archive has files');
  cpSync(oak.paths.archive, at('whole'), { recursive: true });
  for (const { file, altered } of files) writeFileSync(file, altered);
  const said = await oak.fit('daemon', 'start', ...oak.pw);
  if (said.code === 0) {
    // The damaged record was not needed for the start.
    const verdict = await oak.fit('archive', 'verify', '--json');
    assert.equal(verdict.code, 1);
    assert.equal(parsed<{ ok: boolean }>(verdict).ok, false);
    await oak.ok('daemon', 'stop');
  } else {
    assert.equal(said.code, 70, said.stderr);
    assert.match(said.stderr, /^fit: .*(archive|record)/m);
    for (const { file, altered } of files)
      assert.deepEqual(readFileSync(file), altered, 'nothing was repaired behind our back');
  }
  rmSync(oak.paths.archive, { recursive: true });
  cpSync(at('whole'), oak.paths.archive, { recursive: true });
  await oak.start();
  assert.equal((await (await oak.agent()).archiveVerify()).ok, true);
});

test('evidence with one flipped byte is no evidence', async () => {
  const deal = await allIsWell();
  await elm.ok('deal', 'export', deal, '--out', 'good.asics');
  await elm.ok('deal', 'export', deal, '--dir', 'good');
  const flipped = (data: Buffer, place: number): Buffer => {
    const copy = Buffer.from(data);
    copy[place] = (copy[place] ?? 0) ^ 1;
    return copy;
  };
  const container = readFileSync(at('good.asics'));
  for (let i = 0; i < 6; i += 1) {
    write('bad.asics', flipped(container, Math.floor(((i + 0.5) * container.length) / 6)));
    const said = await fit(['verify', 'bad.asics', '--json'], { cwd: folder });
    assert.equal(said.code, 1, said.stdout);
    assert.equal(parsed<{ ok: boolean }>(said).ok, false);
  }
  const [text, signature] = [readFileSync(at('good/contract.md')), readFileSync(at('good/contract.p7s'))];
  for (const [document, p7s] of [
    [flipped(text, text.length - 9), signature],
    [text, flipped(signature, signature.length >> 1)],
    [text, signature.subarray(0, -1)],
    [Buffer.alloc(0), signature],
  ] as const) {
    write('bad.md', document);
    write('bad.p7s', p7s);
    const said = await fit(['verify', 'bad.p7s', '--content', 'bad.md', '--json'], { cwd: folder });
    assert.equal(said.code, 1, said.stdout);
    assert.equal(parsed<{ ok: boolean }>(said).ok, false);
  }
});

test('an interruption at any moment: 130, or what was asked for is done; nothing lies about', async () => {
  const before = (await dealsOf(elm)).length;
  let done = 0;
  for (let i = 0; i < 8; i += 1) {
    const said = await elm.fitWith(
      { meanwhile: (child) => setTimeout(() => child.kill('SIGINT'), 60 + i * 60) },
      'deal',
      'propose',
      'contract.md',
      ...propose,
      '--json',
    );
    assert.ok(said.code === 130 || said.code === 0, `${said.code} ${said.stderr}`);
    if (said.code === 0) done += 1;
    else assert.equal(said.stdout, '');
    // What was interrupted may have been asked for already, and be done a moment later.
    const made = (await dealsOf(elm)).length - before;
    assert.ok(made >= done && made <= i + 1, `${made} made, ${done} told`);
  }
  const waiting = await elm.fitWith(
    { meanwhile: (child) => setTimeout(() => child.kill('SIGINT'), 400) },
    'deal',
    'wait',
    'zzzzzzzzzzzz',
  );
  assert.equal(waiting.code, 130, waiting.stderr);
  for (let i = 0; i < 5; i += 1) {
    const fresh = new Trader(folder, `fresh${i}`);
    const args = ['init', '--name', 'Fresh', '--listen', '127.0.0.1:0', ...fresh.pw, '--json'];
    const meanwhile = {
      meanwhile: (child: { kill(signal: 'SIGINT'): void }) => setTimeout(() => child.kill('SIGINT'), 80 + i * 110),
    };
    const said = await fresh.fitWith(meanwhile, ...args);
    assert.ok(said.code === 130 || said.code === 0, `${said.code} ${said.stderr}`);
    const again = await fresh.fit(...args);
    // A home that was finished before we could interrupt is a home; a half-made one is none.
    if (again.code !== 0) {
      assert.equal(again.code, 2, again.stderr);
      await fresh.start();
      await fresh.kill();
    }
  }
  await allIsWell();
});

/** The nearest to a full disk that needs no disk of its own: no file of the daemon's may grow beyond this. */
function limitFiles(trader: Trader, bytes: number | 'unlimited'): void {
  // Only the soft limit, so that it can be lifted again.
  execFileSync('prlimit', ['--pid', String(trader.pid), `--fsize=${bytes}:`]);
}

test('a full disk: said so, nothing changed, and all is well when there is room again', async () => {
  const known = (await dealsOf(elm)).length;
  const agent = await elm.consenting();
  const document = Buffer.from(`${CONTRACT}\n${'more words to fill the disk with\n'.repeat(300)}`).toString('base64');
  limitFiles(elm, 60_000);
  let offered = 0;
  await assert.rejects(
    async () => {
      for (; offered < 40; offered += 1) await agent.dealPropose({ document, to: 'oak', arbiter: 'notary' });
    },
    { code: 'disk-full' },
  );
  assert.equal((await dealsOf(elm)).length, known + offered);
  const said = await elm.fails(70, 'deal', 'propose', 'contract.md', ...propose);
  assert.match(said.stderr, /disk|room/);
  assert.equal((await dealsOf(elm)).length, known + offered, 'reading works, and shows what is stored');
  // Somebody else's exchange does not bring the daemon down.
  const deal = await oak.offer(elm);
  limitFiles(elm, 'unlimited');
  await elm.waitFor(deal, ['offered']);
  await allIsWell();
  assert.equal((await agent.archiveVerify()).ok, true);
  assert.equal((await dealsOf(elm)).length, known + offered + 2);
});

test('a full disk amid an exchange: it goes on when there is room', async () => {
  const deal = await elm.offer(oak);
  await oak.waitFor(deal, ['offered']);
  limitFiles(elm, 1);
  await (await oak.consenting()).dealAccept({ deal });
  await assert.rejects((await oak.agent()).dealWait({ deal, for: [...ENDED], timeoutMs: 2500 }), { code: 'timed-out' });
  assert.equal((await (await elm.agent()).dealShow({ deal })).state, 'offered');
  limitFiles(elm, 'unlimited');
  for (const side of [elm, oak]) assert.equal(await side.waitFor(deal, ENDED), 'contracted');
  await sameContract(elm, oak, deal);
});

/** A third trader whose daemon runs in this process, so that what it sends can be kept, altered and sent again. */
async function hostile(): Promise<{ daemon: Daemon; mallory: Trader; sent: (readonly [Protocol, Uint8Array])[] }> {
  const mallory = new Trader(folder, 'mallory');
  await mallory.init({ patience: '1s' });
  appendFileSync(mallory.paths.config, '\n[log]\nlevel = "error"\n');
  const daemon = await startDaemon(mallory.paths, {
    passphrase: PASSPHRASE,
    worker: pathToFileURL(resolve('dist/escrow-worker.js')),
  });
  const { link } = daemon.parts;
  const sent: (readonly [Protocol, Uint8Array])[] = [];
  const request = link.request.bind(link);
  link.request = (peer, certificate, protocol, body, options) => {
    sent.push([protocol, body]);
    return request(peer, certificate, protocol, body, options);
  };
  return { daemon, mallory, sent };
}

test('a known peer that sends whatever it likes disturbs nobody', async () => {
  const { daemon, mallory, sent } = await hostile();
  try {
    await introduce([elm, notary, mallory]);
    // Honest for once: a contract in which it speaks first.
    await allIsWell(elm, mallory);
    const { link } = daemon.parts;
    const { peer, fingerprint } = await (await elm.agent()).whoami();
    const send = async (protocol: Protocol, body: Uint8Array) =>
      decodeAck(await link.request(peer, fingerprint, protocol, body, { timeoutMs: 10_000 }));
    const before = await dealsOf(elm);
    const entries = (await (await elm.agent()).archiveVerify()).entries;

    const messages = sent.filter(([protocol]) => protocol === '/fit/exchange/1').map(([, body]) => body);
    const first = messages.find((body) => decodeMessage(body).kind === 'promise') ?? assert.fail('message 1');
    const third = messages.find((body) => decodeMessage(body).kind === 'release') ?? assert.fail('message 3');

    // Said again, in any order: taken, and nothing comes of it.
    for (const body of [third, first, third, first]) assert.equal((await send('/fit/exchange/1', body)).kind, 'ok');

    const one = decodeMessage(first);
    assert.ok(one.kind === 'promise' && one.role === 'O');
    const three = decodeMessage(third);
    assert.ok(three.kind === 'release');
    const open = await mallory.offer(elm);
    await elm.waitFor(open, ['offered']);
    const fresh = { ...one.record, nonce: new Uint8Array(32).fill(7) };
    const version = (body: Uint8Array) => encode([2, ...(decode(body, 300_000) as readonly []).slice(1)]);
    const refused: readonly (readonly [what: string, Protocol, Uint8Array])[] = [
      ['nothing', '/fit/exchange/1', new Uint8Array()],
      ['nothing', '/fit/message/1', new Uint8Array()],
      ['noise', '/fit/exchange/1', new Uint8Array(1000).fill(0xa5)],
      ['truncated', '/fit/exchange/1', first.subarray(0, -1)],
      ['with a tail', '/fit/exchange/1', Buffer.concat([first, Uint8Array.of(0)])],
      ['oversized', '/fit/exchange/1', new Uint8Array(250_000)],
      [
        'not canonical',
        '/fit/exchange/1',
        Buffer.concat([Uint8Array.of(0x98, first[0] === 0x84 ? 4 : 0), first.subarray(1)]),
      ],
      ['unknown version', '/fit/exchange/1', version(first)],
      ['unknown version', '/fit/message/1', version(encode([1, 'card', new Uint8Array(4)]))],
      ['unknown kind', '/fit/exchange/1', encode([1, 'marry', new Uint8Array(32)])],
      ['a card of somebody else', '/fit/message/1', encode([1, 'card', new Uint8Array(100)])],
      ['a contract that is over', '/fit/exchange/1', encodeMessage({ ...one, record: fresh })],
      ['an unknown deal', '/fit/exchange/1', encodeMessage({ ...one, record: { ...fresh, deal: 'zzzzzzzzzzzz' } })],
      ['its own offer', '/fit/exchange/1', encodeMessage({ ...one, record: { ...fresh, deal: open } })],
      [
        'a proof of nothing',
        '/fit/exchange/1',
        encodeMessage({ ...one, record: fresh, promise: new Uint8Array(PROMISE_MAX_BYTES) }),
      ],
    ];
    for (const [what, protocol, body] of refused) {
      const ack = await send(protocol, body).catch((error) => assert.fail(`${what}: ${error.message}`));
      assert.equal(ack.kind, 'no', what);
    }
    // About exchanges that nobody has: nothing to be said about them.
    for (const role of ['O', 'R'] as const)
      await send(
        '/fit/exchange/1',
        encodeMessage({ ...three, role, xid: new Uint8Array(32).fill(role.charCodeAt(0)) }),
      );
    await send('/fit/exchange/1', encodeMessage({ kind: 'declined', xid: three.xid }));

    assert.deepEqual(
      (await dealsOf(elm)).filter((deal) => deal.deal !== open),
      before,
    );
    // The one entry more is of the offer that was honest.
    assert.equal((await (await elm.agent()).archiveVerify()).entries, entries + 1);
    await allIsWell();
    await allIsWell(elm, mallory);

    // A real offer of elm's, answered with an acceptance whose proof is cut off, and then a flood.
    const deal = await elm.offer(mallory);
    await mallory.waitFor(deal, ['offered']);
    const flood = Array.from({ length: 600 }, () => send('/fit/message/1', new Uint8Array(200)).catch(() => undefined));
    await Promise.all([...flood, allIsWell()]);
    assert.equal((await (await elm.agent()).dealShow({ deal })).state, 'offered');
    assert.equal((await (await elm.agent()).status()).pid, elm.pid);
  } finally {
    mallory.disconnect();
    await daemon.stop();
  }
});

test('a peer whose certificate does not belong to its PeerId is not listened to', async () => {
  const keyring = openKeyring(new Trader(folder, 'mallory').paths.keys, systemClock);
  const link = createLibp2pLink({
    seed: new Uint8Array(32).fill(9),
    listen: ['/ip4/127.0.0.1/tcp/0'],
    binder: { hello: () => keyring.binding, accept: async () => (await (await elm.agent()).whoami()).fingerprint },
  });
  await link.start();
  try {
    const { peer, fingerprint, addresses } = await (await elm.agent()).whoami();
    link.learn(peer, addresses);
    await assert.rejects(link.request(peer, fingerprint, '/fit/message/1', new Uint8Array(), { timeoutMs: 5000 }), {
      name: 'FitError',
    });
  } finally {
    await link.stop();
  }
  await allIsWell();
});
