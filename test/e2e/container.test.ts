/** Containers through the real programs: what is packed comes out, bad input is refused, and what is signed is so for openssl too. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseCard } from '../../src/commerce/card.ts';
import { toPem } from '../../src/crypto/pki/pem.ts';
import type { ApprovalRequest, AuditEntry, PolicyStatus } from '../../src/rpc/approvals.ts';
import { needsOpenssl, openssl } from '../support/openssl.ts';
import { commands, endAll, fit, introduce, parsed, Trader, temporary } from '../support/traders.ts';

const CRASHING = fileURLToPath(new URL('../support/crashing-fitd.program.js', import.meta.url));
const folder = temporary();
const elm = new Trader(folder, 'elm');
const clock = new Trader(folder, 'clock');
const at = (...names: readonly string[]) => join(folder, ...names);
/** Without a home or a daemon. */
const { said, refused } = commands({ cwd: folder });

interface Packed {
  readonly root: string;
  readonly files: number;
  readonly bytes: number;
}
interface Unpacked extends Packed {
  readonly ok: boolean;
  readonly signers: readonly { readonly path: string; readonly name: string; readonly fingerprint: string }[];
  readonly refused: readonly { readonly path: string; readonly why: string }[];
}
interface Inspected {
  readonly ok: boolean;
  readonly root: string;
  readonly signers: Unpacked['signers'];
  readonly nodes: readonly {
    readonly path: string;
    readonly kind: string;
    readonly attributes: readonly string[];
    readonly verdict: string;
    readonly why: string | null;
  }[];
}

before(async () => {
  mkdirSync(at('plans', 'roof'), { recursive: true });
  mkdirSync(at('plans', 'empty'));
  writeFileSync(at('plans', 'ground.txt'), 'ground\n');
  writeFileSync(at('plans', 'roof', 'north.bin'), Buffer.alloc(200_000, 7));
  writeFileSync(at('plans', 'roof', 'south.txt'), 'south\n');
  await Promise.all([elm.init(), clock.init({ role: 'timestamp' })]);
  await Promise.all([elm.start(), clock.start()]);
  await introduce([elm, clock]);
});
after(endAll);

test('what is packed comes out again, and over nothing', async () => {
  const packed = await said<Packed>(0, 'pack', 'plans', '--out', 'plain.fitc');
  assert.deepEqual([packed.files, packed.bytes], [3, 200_013]);
  const out = await said<Unpacked>(0, 'unpack', 'plain.fitc', '--to', 'out');
  assert.deepEqual([out.ok, out.root, out.files, out.refused], [true, packed.root, 3, []]);
  for (const name of ['ground.txt', 'roof/north.bin', 'roof/south.txt'])
    assert.deepEqual(readFileSync(at('out', 'plans', name)), readFileSync(at('plans', name)), name);
  assert.deepEqual(readdirSync(at('out', 'plans', 'empty')), []);
  assert.deepEqual(readdirSync(at('out')), ['plans'], 'nothing is left beside it');

  await refused(2, /out\/plans exists already/, 'unpack', 'plain.fitc', '--to', 'out');
  await refused(2, /plain.fitc exists already/, 'pack', 'plans', '--out', 'plain.fitc');
  await refused(2, /another container/, 'unpack', 'plain.fitc', '--to', 'out2', '--root', '0'.repeat(64));
  await refused(3, /names nothing/, 'unpack', 'plain.fitc', '--to', 'out2', '--only', '../plans');
  await refused(3, /names nothing/, 'unpack', 'plain.fitc', '--to', 'out2', '--only', 'plans/attic');
  await refused(2, /--to, or a new container with --as/, 'unpack', 'plain.fitc');
  await refused(2, /no container: it does not begin/, 'unpack', 'plans/roof/north.bin', '--to', 'out2');
  assert.ok(!existsSync(at('out2')));
});

test('one part is taken out or shown alone', async () => {
  await said(0, 'unpack', 'plain.fitc', '--to', 'one', '--only', 'plans/roof/south.txt');
  assert.deepEqual(readdirSync(at('one')), ['south.txt']);
  await said(0, 'unpack', 'plain.fitc', '--only', 'plans/roof/south.txt', '--as', 'south.fitc');
  const bytes = readFileSync(at('south.fitc'));
  for (const name of ['north.bin', 'ground.txt', 'empty']) assert.ok(!bytes.includes(name), name);
  const shown = await said<Inspected>(0, 'inspect', 'south.fitc', '--full');
  const whole = await said<Inspected>(0, 'inspect', 'plain.fitc');
  assert.equal(shown.root, whole.root);
  assert.deepEqual(
    shown.nodes.filter(({ verdict }) => verdict === 'good').map(({ path }) => path),
    ['.', 'plans', 'plans/roof', 'plans/roof/south.txt'],
  );
  await said(0, 'unpack', 'south.fitc', '--to', 'shown', '--root', whole.root);
  assert.equal(readFileSync(at('shown', 'plans', 'roof', 'south.txt'), 'utf8'), 'south\n');
  await refused(2, /exists already/, 'unpack', 'plain.fitc', '--only', 'plans', '--as', 'south.fitc');
  symlinkSync(at('south.fitc'), at('linked.fitc'));
  await said(0, 'inspect', 'linked.fitc');
});

test('a damaged file is refused alone, and inspect reads contents only when asked to', async () => {
  const bytes = readFileSync(at('plain.fitc'));
  const place = bytes.lastIndexOf('south\n');
  bytes[place] = 0x53;
  writeFileSync(at('damaged.fitc'), bytes);
  const out = await said<Unpacked>(1, 'unpack', 'damaged.fitc', '--to', 'rest');
  assert.deepEqual(out.refused, [{ path: 'plans/roof/south.txt', why: 'its content is not what it was packed with' }]);
  assert.deepEqual(readdirSync(at('rest', 'plans', 'roof')), ['north.bin']);
  assert.equal((await said<Inspected>(0, 'inspect', 'damaged.fitc')).ok, true);
  const full = await said<Inspected>(1, 'inspect', 'damaged.fitc', '--full');
  assert.deepEqual(
    full.nodes.filter(({ verdict }) => verdict === 'refused').map(({ path }) => path),
    ['plans/roof/south.txt'],
  );
  await refused(2, /is refused/, 'unpack', 'damaged.fitc', '--only', 'plans', '--as', 'never.fitc');
  assert.deepEqual(
    readdirSync(folder).filter((name) => /never|\.part-/.test(name)),
    [],
  );
});

test('what cannot be in a container is not packed', async () => {
  const bad = (name: string) => {
    mkdirSync(at(name));
    return at(name);
  };
  symlinkSync('/etc/passwd', join(bad('links'), 'passwd'));
  await refused(2, /links\/passwd is a symbolic link/, 'pack', 'links', '--out', 'x.fitc');
  symlinkSync(at('plans'), at('link'));
  await refused(2, /link is a symbolic link/, 'pack', 'link', '--out', 'x.fitc');
  writeFileSync(join(bad('hidden'), '.secret'), '');
  await refused(2, /\.secret has a name that cannot be/, 'pack', 'hidden', '--out', 'x.fitc');
  writeFileSync(join(bad('cases'), 'Plan'), '');
  writeFileSync(at('cases', 'plan'), '');
  await refused(
    2,
    /Plan and plan are the same name|plan and Plan are the same name/,
    'pack',
    'cases',
    '--out',
    'x.fitc',
  );
  let deep = bad('deep');
  for (let level = 0; level < 65; level += 1) deep = join(deep, 'd');
  mkdirSync(deep, { recursive: true });
  await refused(2, /more than 64 levels/, 'pack', 'deep', '--out', 'x.fitc');
  await refused(2, /there is no file/, 'pack', 'nothing', '--out', 'x.fitc');
  await refused(2, /nothing to pack/, 'pack', '--out', 'x.fitc');
  await refused(2, /which is not in the container/, 'pack', 'plans', '--out', 'x.fitc', '--attr', 'attic=anonymous');
  await refused(2, /which is a file/, 'pack', 'plans', '--out', 'x.fitc', '--attr', 'plans/ground.txt=anonymous');
  await refused(2, /names no attribute/, 'pack', 'plans', '--out', 'x.fitc', '--attr', 'plans=golden');
  await refused(
    2,
    /signed and anonymous/,
    'pack',
    'plans',
    '--out',
    'x.fitc',
    '--sign',
    '--anonymous',
    '--home',
    elm.home,
  );
  await refused(
    2,
    /nobody is named to whom plans is encrypted/,
    'pack',
    'plans',
    '--out',
    'x.fitc',
    '--attr',
    'plans=encrypted',
  );
  writeFileSync(at('lie.txt'), 'You owe me \u202e10 EUR.\n');
  await refused(2, /may not be signed/, 'pack', '--statement', 'lie.txt', '--out', 'x.fitc');
  await refused(2, /not an X.509 certificate/, 'pack', '--credential', 'lie.txt', '--out', 'x.fitc');
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.includes('x.fitc')),
    [],
  );
});

test('an interruption leaves nothing half-made', async () => {
  writeFileSync(at('large'), '');
  truncateSync(at('large'), 2 ** 31);
  const ran = await fit(['pack', 'large', '--out', 'large.fitc'], {
    cwd: folder,
    meanwhile: (child) => {
      const watcher = watch(folder, (_, name) => {
        if (name?.startsWith('.large.fitc.part-') === true) child.kill('SIGINT');
      });
      child.once('close', () => watcher.close());
    },
  });
  assert.equal(ran.code, 130, ran.stderr);
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.includes('large.fitc')),
    [],
  );
});

test('an anonymous folder names nobody', async () => {
  await said(0, 'pack', 'plans', '--out', 'anonymous.fitc', '--attr', 'plans/roof=anonymous');
  const { nodes, signers } = await said<Inspected>(0, 'inspect', 'anonymous.fitc', '--full');
  assert.deepEqual(nodes.find(({ path }) => path === 'plans/roof')?.attributes, ['anonymous']);
  assert.deepEqual(signers, []);
});

test('a signed container is signed for openssl too, and for nobody else', needsOpenssl, async () => {
  const packed = await elm.ok<Packed>(
    'pack',
    'plans',
    '--out',
    'signed.fitc',
    '--attr',
    'plans/roof=signed',
    '--sign',
    ...elm.pw,
  );
  const { certificate } = await (await elm.agent()).status();
  const out = await said<Unpacked>(0, 'unpack', 'signed.fitc', '--to', 'signed', '--signer', certificate);
  assert.deepEqual(
    out.signers.map(({ path, name, fingerprint }) => [path, name, fingerprint]),
    ['.', 'plans/roof'].map((path) => [path, 'Trader elm', certificate]),
  );
  const other = await said<Unpacked>(1, 'unpack', 'signed.fitc', '--to', 'other', '--signer', '0'.repeat(64));
  assert.deepEqual(other.refused, [{ path: '.', why: 'it is signed by somebody else than was asked for' }]);
  assert.deepEqual(readdirSync(at('other')), []);

  // Also of a part that is shown alone.
  await said(0, 'unpack', 'signed.fitc', '--only', 'plans/roof/south.txt', '--as', 'part.fitc');
  for (const [file, evidence] of [
    ['signed.fitc', 'evidence'],
    ['part.fitc', 'evidence-of-part'],
  ] as const) {
    await said(0, 'inspect', file, '--evidence', evidence);
    for (const number of [1, 2]) {
      const verified = openssl(
        [
          ...'cms -verify -cades -binary -inform der -purpose any -out /dev/null'.split(' '),
          ...['-in', `${number}.p7s`, '-content', `${number}.txt`, '-CAfile', `${number}.pem`],
        ],
        { cwd: at(evidence) },
      );
      assert.ok(verified.ok && /successful/.test(verified.text), verified.text);
    }
    const text = readFileSync(at(evidence, '2.txt'), 'utf8');
    assert.ok(text.startsWith('Statement of origin (fit container, version 1)\n'));
    assert.ok(text.includes(`container:    ${packed.root}\npath:         plans/roof\n`), text);
    const wrong = openssl(
      [
        ...'cms -verify -cades -binary -inform der -purpose any -out /dev/null'.split(' '),
        ...['-in', '1.p7s', '-content', '2.txt', '-CAfile', '1.pem'],
      ],
      { cwd: at(evidence) },
    );
    assert.ok(!wrong.ok);
  }

  // The last byte is of the seals: of the signature of plans/roof.
  const bytes = readFileSync(at('signed.fitc'));
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  writeFileSync(at('forged.fitc'), bytes);
  const forged = await said<Unpacked>(1, 'unpack', 'forged.fitc', '--to', 'forged');
  assert.deepEqual(
    forged.refused.map(({ path }) => path),
    ['plans/roof'],
  );
  assert.match(forged.refused[0]?.why ?? '', /^its signature does not hold: /);
  assert.deepEqual(readdirSync(at('forged', 'plans')).sort(), ['empty', 'ground.txt']);
});

test(
  'what is given for a receipt is taken out when the receipt is signed, and not for something else',
  needsOpenssl,
  async () => {
    await said(0, 'pack', 'plans', '--out', 'receipt.fitc', '--attr', 'plans/roof=receipt');
    assert.equal((await said<Inspected>(0, 'inspect', 'receipt.fitc', '--full')).ok, true);
    const without = await said<Unpacked>(1, 'unpack', 'receipt.fitc', '--to', 'unreceipted');
    assert.deepEqual(without.refused, [{ path: 'plans/roof', why: 'it is given for a signed receipt only' }]);
    assert.deepEqual(readdirSync(at('unreceipted', 'plans')).sort(), ['empty', 'ground.txt']);
    await refused(2, /receipt only/, 'unpack', 'receipt.fitc', '--only', 'plans/roof', '--as', 'passed-on.fitc');

    await elm.fails(5, 'unpack', 'receipt.fitc', '--to', 'unsigned', '--receipt', 'no-receipts');
    assert.ok(!existsSync(at('unsigned')) && !existsSync(at('no-receipts')));
    await elm.ok('unpack', 'receipt.fitc', '--to', 'received', '--receipt', 'receipts', ...elm.pw);
    assert.deepEqual(readdirSync(at('received', 'plans', 'roof')), ['north.bin', 'south.txt']);
    assert.match(
      readFileSync(at('receipts', '1.txt'), 'utf8'),
      /^Receipt \(fit container, version 1\)\n[\s\S]*plans\/roof\n/,
    );
    await said(0, 'inspect', 'signed.fitc', '--evidence', 'certificate');
    const verified = openssl(
      [
        ...'cms -verify -cades -binary -inform der -purpose any -out /dev/null -in receipts/1.p7s'.split(' '),
        ...['-content', 'receipts/1.txt', '-CAfile', 'certificate/1.pem'],
      ],
      { cwd: folder },
    );
    assert.ok(verified.ok, verified.text);

    const bytes = readFileSync(at('receipt.fitc'));
    bytes[bytes.lastIndexOf('south\n')] = 0x53;
    writeFileSync(at('wrong.fitc'), bytes);
    const wrong = await elm.fails(2, 'unpack', 'wrong.fitc', '--to', 'wrong', '--receipt', 'wrong-receipts', ...elm.pw);
    assert.match(wrong.stderr, /no receipt was signed: plans\/roof\/south.txt: its content/);
    assert.ok(!existsSync(at('wrong-receipts')));
  },
);

test('what is timestamped is so for openssl, and for whoever believes the authority', needsOpenssl, async () => {
  const attributes = 'plans=signed,timestamped';
  await elm.ok('pack', 'plans', '--out', 'stamped.fitc', '--attr', attributes, '--timestamp-by', 'clock', ...elm.pw);
  const unknown = await said<Unpacked>(1, 'unpack', 'stamped.fitc', '--to', 'unbelieved');
  assert.deepEqual(unknown.refused, [
    { path: 'plans', why: 'it is timestamped, and no authority is named that you believe' },
  ]);
  const { stamps } = await elm.ok<{ stamps: { path: string; good: boolean }[] }>(
    'inspect',
    'stamped.fitc',
    '--evidence',
    'stamp',
  );
  assert.deepEqual(
    stamps.map(({ path, good }) => [path, good]),
    [['plans', true]],
  );
  const { card } = await (await clock.agent()).card();
  const [role] = parseCard(card).roles;
  assert.ok(role?.role === 'timestamp');
  writeFileSync(at('clock.pem'), toPem('CERTIFICATE', role.certificate));
  const digest = readFileSync(at('stamp', '1.sha256'), 'utf8').trim();
  const verified = openssl(['ts', '-verify', '-digest', digest, '-in', 'stamp/1.tsr', '-CAfile', 'clock.pem'], {
    cwd: folder,
  });
  assert.ok(verified.ok && /Verification: OK/.test(verified.text), verified.text);
  await said(0, 'unpack', 'stamped.fitc', '--to', 'believed', '--certificates', 'clock.pem');
  const other = await said<Unpacked>(
    1,
    'unpack',
    'stamped.fitc',
    '--to',
    'other-clock',
    '--certificates',
    'certificate/1.pem',
  );
  assert.match(other.refused[0]?.why ?? '', /^its timestamp does not hold: /);
});

test('a signature has a consent: a person grants or refuses it, and nothing waits that nobody waits for', async () => {
  const waiting = async () => (await elm.ok<{ requests: ApprovalRequest[] }>('approve', 'list')).requests;
  const pack = (out: string, ...more: readonly string[]) =>
    elm.fit('pack', 'plans', '--out', out, '--sign', '--json', ...more);

  const first = await pack('nobody.fitc');
  assert.equal(first.code, 5, first.stderr);
  assert.deepEqual(await waiting(), []);
  assert.ok(!existsSync(at('nobody.fitc')));

  const granting = pack('granted.fitc', '--wait', '--timeout', '30');
  const { request = '' } = await elm.event(({ kind }) => kind === 'request');
  const [asked] = await waiting();
  assert.deepEqual([asked?.id, asked?.kind, asked?.deal], [request, 'statement', '']);
  const shown = await elm.ok<{ text: string; request: ApprovalRequest }>('approve', 'show', request);
  assert.match(shown.text, /^Statement of origin \(fit container, version 1\)\n/);
  assert.equal(createHash('sha256').update(shown.text).digest('hex'), shown.request.digest);
  await elm.fails(3, 'approve', 'grant', request, '--document', '0'.repeat(64), ...elm.pw);
  await elm.ok('approve', 'grant', request, '--document', shown.request.digest, ...elm.pw);
  const granted = await granting;
  assert.equal(granted.code, 0, granted.stderr);
  const { root } = parsed<Packed>(granted);
  assert.ok(shown.text.includes(root), 'what was read is what was signed');
  assert.equal((await said<Inspected>(0, 'inspect', 'granted.fitc', '--full')).signers.length, 1);
  await elm.fails(3, 'approve', 'grant', request, ...elm.pw);

  const refusing = pack('refused.fitc', '--wait', '--timeout', '30');
  const { request: second = '' } = await elm.event(({ kind, request: id }) => kind === 'request' && id !== request);
  await elm.ok('approve', 'refuse', second);
  const answer = await refusing;
  assert.equal(answer.code, 4, answer.stderr);
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.includes('refused.fitc')),
    [],
  );
  await elm.ok('audit', 'verify');
  const { entries } = await elm.ok<{ entries: AuditEntry[] }>('audit', 'show', request);
  assert.deepEqual(
    entries.map(({ kind }) => kind),
    ['asked', 'granted', 'used'],
  );
  assert.deepEqual([entries[0]?.details.kind, entries[0]?.details.peer], ['statement', null]);
});

test('a rule decides about statements only if it names them', async () => {
  const policy = async (rule: string) => {
    writeFileSync(
      join(elm.home, 'policy.toml'),
      `fit = "policy/1"\n\n[[rule]]\nname = "r"\noutcome = "approve"\n${rule}`,
    );
    chmodSync(join(elm.home, 'policy.toml'), 0o600);
    assert.equal((await elm.ok<PolicyStatus>('policy', 'confirm', ...elm.pw)).state, 'confirmed');
  };
  const pack = (out: string) => elm.fit('pack', 'plans', '--out', out, '--sign', '--json');
  await said(0, 'inspect', 'signed.fitc', '--evidence', 'template');
  const text = readFileSync(at('template', '1.txt'), 'utf8');
  const fixed = text.slice(0, text.indexOf('container:'));
  const template = `template = "${createHash('sha256').update(fixed).digest('hex')}"\n`;
  await policy(template);
  assert.equal((await pack('unnamed.fitc')).code, 5, 'a rule without a kind is about deals');
  await policy(`kind = "statement"\n${template}count_day = 1\n`);
  const first = await pack('ruled.fitc');
  assert.equal(first.code, 0, first.stderr);
  assert.equal((await said<Inspected>(0, 'inspect', 'ruled.fitc')).signers.length, 1);
  assert.equal((await pack('more.fitc')).code, 5, 'its count is used');
  const { rules } = await elm.ok<PolicyStatus>('policy', 'show');
  assert.ok(rules[0]?.conditions.includes('it is a statement'));
  await elm.restart();
  await elm.ok('audit', 'verify');
});

test('a daemon that dies between the consent and the signature leaves neither a signature nor a consent for one', async () => {
  const orders = at('orders.json');
  await elm.kill();
  await elm.start({ program: CRASHING, env: { FIT_TEST_DAEMON: JSON.stringify({ orders }) } });
  // The first write of a consent is the grant; the second one has the signature.
  writeFileSync(orders, JSON.stringify({ space: 'consents', n: 2, when: 'before', signal: 'SIGKILL' }));
  const ran = await elm.fit('pack', 'plans', '--out', 'died.fitc', '--sign', '--json', ...elm.pw);
  assert.notEqual(ran.code, 0);
  assert.equal(await elm.exited, 137);
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.includes('died.fitc')),
    [],
  );
  await elm.start();
  await elm.ok('audit', 'verify');
  const { requests } = await elm.ok<{ requests: ApprovalRequest[] }>('approve', 'list', '--all');
  const states = requests.filter(({ kind }) => kind === 'statement').map(({ state }) => state);
  assert.equal(states.filter((state) => state === 'withdrawn').length, 1);
  assert.ok(!states.includes('granted'), states.join());
});
