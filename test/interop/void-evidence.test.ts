/** What a receiver of wrong content can show: `fit deal export` of a delivery that the arbiter voided, and `fit verify` of it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Verdict } from '../../src/evidence/verify.ts';
import { needsOpenssl, openssl } from '../support/openssl.ts';
import { fileOf, offer, start } from '../support/rogue-trio.ts';
import { endAll, fit, introduce, Trader, temporary } from '../support/traders.ts';

after(endAll);

test(
  'a voided delivery: the receiver exports the sender’s statement and the arbiter’s word, the sender nothing',
  needsOpenssl,
  async () => {
    const folder = temporary();
    const [notary, sender, receiver] = [
      new Trader(folder, 'notary'),
      new Trader(folder, 'sender'),
      new Trader(folder, 'receiver'),
    ];
    const everyone = [notary, sender, receiver];
    await Promise.all(
      everyone.map((one) => one.init({ patience: '1s', ...(one === notary ? { role: 'arbiter' as const } : {}) })),
    );
    await Promise.all(everyone.map((one) => start(one, one === sender ? 'chunk' : undefined)));
    await introduce(everyone);
    const deal = await offer(sender, 'receiver', fileOf(sender).path);
    await receiver.waitFor(deal, ['offered']);
    await (await receiver.consenting()).dealAccept({ deal });
    await Promise.all([receiver.waitFor(deal, ['aborted']), sender.waitFor(deal, ['aborted'])]);

    const out = join(folder, 'out');
    const bundle = join(folder, 'void.asics');
    await receiver.ok('deal', 'export', deal, '--dir', out);
    await receiver.ok('deal', 'export', deal, '--out', bundle);
    for (const file of [out, bundle]) {
      const said = await fit(['verify', file, '--json'], { cwd: folder });
      assert.equal(said.code, 1, said.stderr);
      const verdict = JSON.parse(said.stdout) as Verdict;
      assert.deepEqual([verdict.ok, verdict.proof, verdict.problem?.code], [false, 'delivery', 'void']);
      assert.equal(verdict.signers.length, 1);
    }
    const command =
      'cms -verify -cades -binary -inform der -in origin.p7s -content origin.txt -CAfile certificates.pem';
    assert.match(openssl(command.split(' '), { cwd: out }).text, /CAdES Verification successful/);
    assert.match(readFileSync(join(out, 'README.txt'), 'utf8'), /void/);
    await sender.fails(3, 'deal', 'export', deal, '--out', join(folder, 'none.asics'));
  },
);
