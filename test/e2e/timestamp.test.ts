/** Timestamps through the real binaries: by a contact with the role, and by an authority on HTTP that answers with `openssl ts`. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { parseCard } from '../../src/commerce/card.ts';
import { parseCertificate } from '../../src/crypto/pki/certificate.ts';
import { toPem } from '../../src/crypto/pki/pem.ts';
import { timestampRequest, verifyTimestamp } from '../../src/crypto/pki/timestamp.ts';
import { present } from '../../src/lib/assert.ts';
import { type Authority, issue } from '../support/identities.ts';
import { needsOpenssl, openssl } from '../support/openssl.ts';
import { startRogue } from '../support/rogue.ts';
import { opensslAuthority, pemOf, stamper, VALID } from '../support/timestamps.ts';
import { endAll, fit, introduce, parsed, Trader, temporary } from '../support/traders.ts';

const folder = temporary();
const elm = new Trader(folder, 'elm');
const notary = new Trader(folder, 'notary');

before(async () => {
  await Promise.all([elm.init(), notary.init({ role: 'timestamp' })]);
  await Promise.all([elm.start(), notary.start()]);
  await introduce([elm, notary]);
});
after(endAll);

interface Made {
  readonly timestamps: readonly {
    readonly file: string;
    readonly out: string;
    readonly sha256: string;
    readonly time: string;
    readonly serial: string;
    readonly policy: string;
    readonly authority: string;
    readonly fingerprint: string;
  }[];
}

interface Verdict {
  readonly ok: boolean;
  readonly problem: { readonly code: string; readonly message: string } | null;
  readonly contact: string | null;
  readonly time?: string;
}

let files = 0;
function fileOf(bytes = 100_000): { readonly path: string; readonly data: Buffer } {
  files += 1;
  const path = join(folder, `file-${files}.bin`);
  const data = randomBytes(bytes);
  writeFileSync(path, data);
  return { path, data };
}

async function roleCertificate(): Promise<Uint8Array> {
  const { card } = await (await notary.agent()).card();
  const role = present(parseCard(card).roles[0], 'role');
  assert.ok(role.role === 'timestamp');
  return role.certificate;
}

function opensslVerifies(path: string, token: string, ca: string): void {
  const said = openssl(['ts', '-verify', '-data', path, '-in', token, '-CAfile', ca]);
  assert.ok(said.ok && /Verification: OK/.test(said.text), said.text);
}

test('by a contact with the role: openssl and a stranger without a home verify it', needsOpenssl, async () => {
  const { path, data } = fileOf();
  const { timestamps } = await elm.ok<Made>('timestamp', path, '--by', 'notary');
  const made = present(timestamps[0], 'timestamp');
  assert.equal(timestamps.length, 1);
  assert.equal(made.out, `${path}.tsr`);
  assert.equal(made.sha256, createHash('sha256').update(data).digest('hex'));
  assert.ok(Math.abs(Date.parse(made.time) - Date.now()) < 60_000);
  assert.equal(made.authority, 'Timestamps of Trader notary');
  const pem = join(folder, 'notary-tsa.pem');
  writeFileSync(pem, toPem('CERTIFICATE', await roleCertificate()));
  opensslVerifies(path, made.out, pem);

  const mine = await elm.ok<Verdict>('timestamp', 'verify', path, '--token', made.out);
  assert.deepEqual([mine.ok, mine.contact, mine.time], [true, 'notary', made.time]);
  const offline = await fit(['timestamp', 'verify', path, '--token', made.out, '--certificates', pem, '--json']);
  assert.equal(offline.code, 0, offline.stderr);
  assert.equal(parsed<Verdict>(offline).time, made.time);
  const theirs = await notary.ok<Verdict>('timestamp', 'verify', path, '--token', made.out);
  assert.equal(theirs.ok, true, 'the authority believes itself');

  // Another file, another authority, a damaged token: no, and why.
  const other = fileOf();
  const check = async (of: string, token: string, certificates: string) => {
    const said = await fit(['timestamp', 'verify', of, '--token', token, '--certificates', certificates, '--json']);
    assert.equal(said.code, 1, said.stderr);
    return parsed<Verdict>(said).problem?.code;
  };
  assert.equal(await check(other.path, made.out, pem), 'wrong-digest');
  const stranger = join(folder, 'stranger.pem');
  writeFileSync(stranger, pemOf(stamper()));
  assert.equal(await check(path, made.out, stranger), 'untrusted');
  const damaged = join(folder, 'damaged.tsr');
  writeFileSync(damaged, readFileSync(made.out).subarray(1));
  assert.equal(await check(path, damaged, pem), 'malformed');
});

test('people read when and by whom; a timestamp is never written over another file', async () => {
  const { path } = fileOf(10);
  const said = await elm.fit('timestamp', path, '--by', 'notary');
  assert.equal(said.code, 0, said.stderr);
  assert.match(said.stdout, /file-\d+\.bin\.tsr {2}\d+ \w+ \d{4}, \d\d:\d\d, by Timestamps of Trader notary\n/);
  const shown = await elm.fit('timestamp', 'verify', path, '--token', `${path}.tsr`);
  assert.match(shown.stdout, /verdict +good[\s\S]*existed at[\s\S]*your contact notary/);
  const before = readFileSync(`${path}.tsr`);
  await elm.fails(2, 'timestamp', path, '--by', 'notary');
  assert.deepEqual(readFileSync(`${path}.tsr`), before);
  assert.equal((await elm.fit('timestamp', path, '--by', 'notary', '--force')).code, 0);
  assert.notDeepEqual(readFileSync(`${path}.tsr`), before);
  const raw = await elm.fitWith(
    { input: readFileSync(path) },
    'timestamp',
    '-',
    '--by',
    'notary',
    '--out',
    join(folder, 'stdin.tsr'),
  );
  assert.equal(raw.code, 0, raw.stderr);
  assert.equal((await elm.ok<Verdict>('timestamp', 'verify', path, '--token', join(folder, 'stdin.tsr'))).ok, true);
});

test('serial numbers grow, also over a SIGKILL, and no two are the same', async () => {
  const agent = await elm.agent();
  const digest = 'ab'.repeat(32);
  const serials = async () =>
    (await Promise.all(Array.from({ length: 12 }, () => agent.timestampMake({ digest, by: 'notary' })))).map((one) =>
      Number.parseInt(one.serial, 16),
    );
  const before = await serials();
  assert.equal(new Set(before).size, 12);
  await notary.restart();
  const behind = await serials();
  assert.equal(new Set([...before, ...behind]).size, 24);
  assert.ok(Math.min(...behind) > Math.max(...before));
});

test('what cannot be asked is said before anything is', async () => {
  const { path } = fileOf(10);
  const second = fileOf(10).path;
  await elm.fails(2, 'timestamp', path);
  await elm.fails(2, 'timestamp', path, '--by', 'notary', '--url', 'http://127.0.0.1:9/');
  await elm.fails(2, 'timestamp', path, second, '--by', 'notary', '--out', join(folder, 'one.tsr'));
  await elm.fails(2, 'timestamp', path, path, '--by', 'notary');
  await elm.fails(2, 'timestamp', join(folder, 'nothing'), '--by', 'notary');
  await elm.fails(2, 'timestamp', path, '--url', 'file:///etc/passwd');
  await elm.fails(2, 'timestamp', path, '--url', 'http://127.0.0.1:9/');
  await elm.fails(2, 'timestamp', 'verify', path);
  await elm.fails(3, 'timestamp', path, '--by', 'nobody');
  const said = await notary.fails(3, 'timestamp', path, '--by', 'elm');
  assert.match(said.stderr, /makes no timestamps/);
  await (await notary.agent()).lock();
  await notary.fails(8, 'timestamp', path, '--by', 'elm');
  // Nobody at the authority who could sign: no timestamp, and the next try finds it again.
  await elm.fails(6, 'timestamp', path, '--by', 'notary');
  await notary.restart();
  assert.equal((await elm.fit('timestamp', path, '--by', 'notary')).code, 0);
});

test('whatever a stranger sends to the role has an answer, within bounds', async () => {
  const one = await startRogue(notary, notary, 'asker');
  const authorities = [parseCertificate(await roleCertificate())];
  const digest = randomBytes(32);
  const good = await one.request('/fit/timestamp/1', timestampRequest(digest, randomBytes(8)));
  assert.ok(verifyTimestamp(good, { digest, authorities }).ok);
  const refused = await one.request('/fit/timestamp/1', randomBytes(50));
  const result = verifyTimestamp(refused, { digest, authorities });
  assert.ok(!result.ok && result.code === 'not-granted');
  await assert.rejects(one.request('/fit/timestamp/1', new Uint8Array(1025)));
  const two = await startRogue(notary, notary, 'another');
  const began = Date.now();
  const answers = await Promise.all(
    [one, two].flatMap((asker) =>
      Array.from({ length: 250 }, () =>
        asker.request('/fit/timestamp/1', timestampRequest(digest, randomBytes(8))).then(
          () => 1 as number,
          () => 0,
        ),
      ),
    ),
  );
  const taken = answers.reduce((sum, answered) => sum + answered, 0);
  // 300 at once and two per second, for both together: they come from one address.
  const most = 300 + 2 * Math.ceil((Date.now() - began) / 1000);
  assert.ok(taken > 0 && taken <= most, `${taken} of ${answers.length} were answered, ${most} at most`);
  await Promise.all([one.stop(), two.stop()]);
});

// ---- by HTTP

type Reply = (
  request: Buffer,
  respond: (status: number, body: Uint8Array, headers?: Record<string, string>) => void,
) => void;

async function serving(
  reply: Reply,
  use: (url: string, seen: { readonly types: string[] }) => Promise<void>,
): Promise<void> {
  const seen = { types: [] as string[] };
  const server: Server = createServer((request, response) => {
    const parts: Buffer[] = [];
    seen.types.push(`${request.method} ${request.headers['content-type']}`);
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () =>
      reply(Buffer.concat(parts), (status, body, headers = {}) => {
        response.writeHead(status, { 'content-type': 'application/timestamp-reply', ...headers });
        response.end(body);
      }),
    );
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}/tsa`, seen);
  } finally {
    server.closeAllConnections();
    await new Promise<void>((done) => server.close(() => done()));
  }
}

function publicAuthority(name: string): {
  readonly root: Authority;
  readonly pem: string;
  readonly answer: (request: Uint8Array) => Uint8Array;
} {
  const at = join(folder, name);
  mkdirSync(at);
  const root = issue({ name: 'Root', kind: 'rsa', ca: true, ...VALID });
  const pem = join(at, 'root.pem');
  writeFileSync(pem, pemOf(root));
  const signer = stamper({ kind: 'rsa', issuer: root });
  return { root, pem, answer: opensslAuthority(at, signer, [root]).answer };
}

test('by a configured authority on HTTP that answers with openssl', needsOpenssl, async () => {
  const authority = publicAuthority('configured');
  await serving(
    (request, respond) => respond(200, authority.answer(request)),
    async (url, seen) => {
      await elm.ok('config', 'set', 'timestamp.url', url);
      await elm.ok('config', 'set', 'timestamp.certificates', authority.pem);
      await elm.restart();
      const [one, two] = [fileOf(), fileOf(3_000_000)];
      const { timestamps } = await elm.ok<Made>('timestamp', one.path, two.path);
      assert.deepEqual(
        timestamps.map((made) => made.out),
        [`${one.path}.tsr`, `${two.path}.tsr`],
      );
      for (const made of timestamps) {
        opensslVerifies(made.file, made.out, authority.pem);
        assert.equal(made.policy, '1.2.3.4.1');
        assert.equal((await elm.ok<Verdict>('timestamp', 'verify', made.file, '--token', made.out)).contact, null);
      }
      assert.deepEqual(new Set(seen.types), new Set(['POST application/timestamp-query']));
      // Needs no key: also of a locked daemon.
      await (await elm.agent()).lock();
      assert.equal((await elm.fit('timestamp', one.path, '--out', join(folder, 'locked.tsr'))).code, 0);
      await elm.restart();
    },
  );
});

test('an authority that fails or cheats: no timestamp, and a reason', needsOpenssl, async () => {
  const authority = publicAuthority('named');
  const other = publicAuthority('other');
  const { path } = fileOf(10);
  const out = join(folder, 'never.tsr');
  const ask = async (url: string, status: number, says: RegExp): Promise<void> => {
    const args = ['timestamp', path, '--url', url, '--certificates', authority.pem, '--out', out];
    const said = await elm.fails(status, ...args);
    assert.match(said.stderr, says);
    assert.throws(() => readFileSync(out), /ENOENT/);
  };
  const failing = (reply: Reply, says: RegExp) => serving(reply, (url) => ask(url, 6, says));
  const old = authority.answer(
    timestampRequest(createHash('sha256').update(readFileSync(path)).digest(), randomBytes(8)),
  );
  await failing((_, respond) => respond(503, Buffer.from('closed')), /HTTP status 503/);
  await failing((_, respond) => respond(200, Buffer.alloc(70_000)), /broke the protocol/);
  await failing((_, respond) => respond(200, Buffer.from('<html>')), /not acceptable/);
  await failing((_, respond) => respond(200, old), /does not answer this request/);
  await failing((request, respond) => respond(200, other.answer(request)), /not acceptable/);
  await failing((_, respond) => respond(200, authority.answer(Buffer.from('?'))), /rejected/);
  await failing((_, respond) => respond(302, Buffer.alloc(0), { location: 'http://127.0.0.1:9/' }), /did not answer/);
  await failing(() => {}, /did not answer/);
  let closed = '';
  await serving(
    () => {},
    async (url) => {
      closed = url;
    },
  );
  await ask(closed, 6, /did not answer/);
});
