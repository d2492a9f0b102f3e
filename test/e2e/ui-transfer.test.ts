/** A transfer in `fit ui`: what it is, read and accepted there, with the words that tell it from an exchange. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { needsTmux, openScreen, type Screen } from '../support/tmux.ts';
import { endAll, introduce, PASSPHRASE, Trader, temporary } from '../support/traders.ts';

const folder = temporary();
const [elm, oak, notary] = ['elm', 'oak', 'notary'].map((name) => new Trader(folder, name)) as [Trader, Trader, Trader];
const screens: Screen[] = [];
const plan = join(folder, 'plan.pdf');

before(async () => {
  await Promise.all([elm.init(), oak.init(), notary.init({ role: 'arbiter' })]);
  await Promise.all([elm.start(), oak.start(), notary.start()]);
  await introduce([elm, oak, notary]);
  writeFileSync(plan, randomBytes(1000));
});
after(() => {
  for (const screen of screens) screen.close();
  endAll();
});

function open(trader: Trader): Screen {
  const command = `cd ${folder} && ${process.execPath} ${resolve('bin/fit')} ui`;
  const screen = openScreen(command, { FIT_HOME: trader.home }, { columns: 260, rows: 80 });
  screens.push(screen);
  return screen;
}

async function send(): Promise<string> {
  const transfer = { origin: true, receipt: 'asked' } as const;
  const { deal } = await (await elm.consenting()).dealDeliver({ files: [plan], to: 'oak', transfer });
  await oak.waitFor(deal, ['offered']);
  return deal;
}

test(
  'read, accepted and taken: no arbiter is named anywhere, and what is signed is said before',
  needsTmux,
  async () => {
    const deal = await send();
    const screen = open(oak);
    await screen.until(/Transfer: plan\.pdf[\s\S]*A transfer, without arbiter: accepting fetches the files/);
    screen.keys('Enter');
    await screen.until(/arbiter +none: a transfer[\s\S]*receipt +asked of the receiver/);
    assert.match(screen.text(), /nothing here is exchanged fairly/);
    screen.keys('a');
    await screen.until(/There is no arbiter: a receiver who keeps the files and signs nothing/);
    await screen.until(/s sign/);
    screen.keys('s');
    const question = await screen.until(/passphrase ▏/);
    assert.match(question, /arbiter +none: a transfer/);
    assert.match(question, /you sign a receipt once all of it is here and compared; no/);
    screen.type(PASSPHRASE);
    screen.keys('Enter');
    assert.equal(await elm.waitFor(deal, ['completed', 'failed']), 'completed');
    await screen.until(/transferred/);
    assert.equal((await (await notary.agent()).status()).received.arbiter, 0);
  },
);

test('once it is there its sender reads what it holds, and no word of an arbiter that helped', needsTmux, async () => {
  const deal = await send();
  await (await oak.consenting()).dealAccept({ deal });
  await Promise.all([elm, oak].map((one) => one.waitFor(deal, ['completed'])));
  const screen = open(elm);
  await screen.until(/transferred/);
  screen.keys('Enter');
  const shown = await screen.until(/you hold +the receipt for the files, signed by oak/);
  assert.doesNotMatch(shown, /arbiter not needed|ask the arbiter/);
});
