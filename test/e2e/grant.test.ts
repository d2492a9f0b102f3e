/** Credentials under a contract through the real binaries: what is said of them before, and what comes after. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { toPem } from '../../src/crypto/pki/pem.ts';
import type { Verdict } from '../../src/evidence/verify.ts';
import { toHex } from '../../src/lib/bytes.ts';
import type { DealChange } from '../../src/rpc/agent.ts';
import { attributeCertificate } from '../support/attribute-certificates.ts';
import { trader as identity } from '../support/identities.ts';
import { endAll, fit, parsed, startTrio, type Trader } from '../support/traders.ts';

let elm: Trader;
let oak: Trader;
let contract = '';
const DAY = 86_400;
const now = Math.floor(Date.now() / 1000);

before(async () => {
  ({ elm, oak } = await startTrio({ patience: '1h' }));
  contract = await elm.offer(oak);
  await oak.waitFor(contract, ['offered']);
  await (await oak.consenting()).dealAccept({ deal: contract });
  await Promise.all([elm.waitFor(contract, ['contracted']), oak.waitFor(contract, ['contracted'])]);
});
after(endAll);

function file(name: string, text: string): string {
  const folder = join(elm.home, 'mine');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const grant = (path: string, ...more: readonly string[]): readonly string[] => [
  ...['deal', 'grant', contract, '--credential', path],
  ...more,
];

test('an attribute certificate is granted for a receipt: described before, compared after, and in the evidence', async () => {
  const library = await identity('The Library');
  const attributes = attributeCertificate(library, 'Trader oak', { notBefore: now - DAY, notAfter: now + 400 * DAY });
  const text = toPem('ATTRIBUTE CERTIFICATE', attributes) + toPem('CERTIFICATE', library.certificate.der);
  const path = file('reader.pem', text);
  const offered = await elm.fit(...grant(path, '--no-wait', ...elm.pw));
  assert.equal(offered.code, 0, offered.stderr);
  assert.match(offered.stderr, /credential +an attribute certificate\n/);
  assert.match(offered.stderr, /subject +Trader oak\nfit: issuer +The Library\n/);
  const deal = /offered to deliver {2}(\w+)/.exec(offered.stdout)?.[1] ?? '';
  await oak.waitFor(deal, ['offered']);
  const note = await oak.fit('deal', 'show', deal, '--text');
  assert.match(note.stdout, /credential = "attribute-certificate"\nsubject = "Trader oak"\n/);
  assert.ok(note.stdout.includes(`issuer_fingerprint = "${toHex(library.certificate.hash)}"`), note.stdout);

  await oak.ok('deal', 'receive', deal, '--to', join(oak.home, 'in'), ...oak.pw);
  assert.equal(readFileSync(join(oak.home, 'in', 'reader.pem'), 'utf8'), text);
  await elm.waitFor(deal, ['completed']);
  const evidence = join(elm.home, 'evidence');
  await elm.ok('deal', 'export', deal, '--dir', evidence);
  const verdict = parsed<Verdict>(await fit(['verify', evidence, '--content', join(oak.home, 'in'), '--json']));
  assert.ok(verdict.ok);
  const [given] = verdict.contents;
  assert.equal(given?.credential?.kind, 'attribute-certificate');
  assert.equal(given?.credential?.issuerFingerprint, toHex(library.certificate.hash));
  const said = await fit(['verify', evidence]);
  assert.match(said.stdout, /gives an attribute certificate of Trader oak\n/);
});

test('one that ends before the help does, or that its issuer has not signed, is not offered', async () => {
  const [library, namesake] = [await identity('The Library'), await identity('The Library')];
  const short = attributeCertificate(library, 'Trader oak', { notBefore: now - DAY, notAfter: now + 3600 });
  const ending = await elm.fails(3, ...grant(file('short.pem', toPem('ATTRIBUTE CERTIFICATE', short)), ...elm.pw));
  assert.match(ending.stderr, /ends before the arbiter’s help does/);
  const long = attributeCertificate(library, 'Trader oak', { notAfter: now + 400 * DAY });
  const forged = toPem('ATTRIBUTE CERTIFICATE', long) + toPem('CERTIFICATE', namesake.certificate.der);
  const refused = await elm.fails(2, ...grant(file('forged.pem', forged), ...elm.pw));
  assert.match(refused.stderr, /is not signed with the certificate of its issuer that stands beside it/);
});

test('a licence key and a ticket are called what their owner says, as far as they can be that', async () => {
  const key = file('key.txt', 'K3Y-0001-ABCD\n');
  const draft = await elm.ok<DealChange>(...grant(key, '--kind', 'licence', '--dry-run'));
  assert.match(draft.text ?? '', /credential = "licence"\n/);
  const lines = await elm.fails(2, ...grant(file('keys.txt', 'K3Y-1\nK3Y-2\n'), '--kind', 'licence', ...elm.pw));
  assert.match(lines.stderr, /a licence key is one plain line/);
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const ticket = (exp: number) => `${part({ alg: 'ES256' })}.${part({ sub: 'seat 7', exp })}.c2ln\n`;
  const good = file('ticket.jwt', ticket(now + 400 * DAY));
  const offered = await elm.ok<DealChange>(...grant(good, '--kind', 'ticket', '--dry-run'));
  assert.match(offered.text ?? '', /credential = "ticket"\nvalid_until = \d{4}-/);
  const late = await elm.fails(3, ...grant(file('late.jwt', ticket(now + 60)), '--kind', 'ticket', ...elm.pw));
  assert.match(late.stderr, /the ticket that is given ends before/);
  await elm.fails(2, ...grant(key, '--kind', 'coupon', ...elm.pw));
  await elm.fails(2, 'deal', 'swap', contract, '--give', key, '--want', 'a song', '--kind', 'ticket', ...elm.pw);
});
