/** A delivery is accepted once, whoever asked for it, and whatever was asked for beside it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { isFitError } from '../../src/lib/errors.ts';
import { connect } from '../../src/rpc/client.ts';
import { fileOf, offer } from '../support/rogue-trio.ts';
import { endAll, startTrio, type Trader, type Trio } from '../support/traders.ts';

let trio: Trio;
let elm: Trader;
let oak: Trader;

before(async () => {
  trio = await startTrio({ patience: '1h' });
  ({ elm, oak } = trio);
});
after(endAll);

const code = (wanted: string) => (error: unknown) => isFitError(error) && error.code === wanted;

test('what is no file is no credential: a program that names a pipe or a device keeps nobody waiting', async () => {
  const pipe = join(elm.folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  const program = await connect(elm.paths.socket);
  for (const file of [pipe, '/dev/zero']) {
    const asked = { files: [file], to: 'oak', arbiter: 'notary', credential: true };
    await assert.rejects(program.dealDeliver(asked), code('bad-file'), file);
  }
  program.close();
});

test('a request that waits is no second acceptance: granted afterwards it begins nothing anew', async () => {
  const deal = await offer(elm, 'oak', fileOf(elm).path, 3600);
  await oak.waitFor(deal, ['offered']);
  await elm.kill();
  const program = await connect(oak.paths.socket);
  await assert.rejects(program.dealAccept({ deal }), code('needs-approval'));
  const { requests } = await program.approveList({});
  const request = requests.find((one) => one.deal === deal)?.id ?? assert.fail('a request');
  const person = await oak.consenting();
  await person.dealAccept({ deal });
  await assert.rejects(person.approveGrant({ request }), code('wrong-state'));
  const all = (await person.approveList({ all: true })).requests.filter((one) => one.deal === deal);
  assert.deepEqual(all.map((one) => one.state).toSorted(), ['granted', 'withdrawn']);
  program.close();
  await elm.start();
  for (const one of [elm, oak]) assert.equal(await one.waitFor(deal, ['completed', 'aborted']), 'completed');
});
