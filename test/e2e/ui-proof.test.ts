/** The passphrase given in `fit ui` counts as long as the daemon says, and no longer on the screen than there. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { needsTmux, openScreen, type Screen } from '../support/tmux.ts';
import { endAll, introduce, PASSPHRASE, Trader, temporary } from '../support/traders.ts';

const folder = temporary();
const elm = new Trader(folder, 'elm');
const oak = new Trader(folder, 'oak');
const notary = new Trader(folder, 'notary');
let screen: Screen;

before(async () => {
  await Promise.all([elm.init(), oak.init(), notary.init({ role: 'arbiter' })]);
  await Promise.all([elm.start(), oak.start(), notary.start()]);
  await introduce([elm, oak, notary]);
  writeFileSync(join(folder, 'sale.md'), '# Sale\n\nOne bell.\n');
  screen = openScreen(
    `cd ${folder} && ${process.execPath} ${resolve('bin/fit')} ui`,
    { FIT_HOME: elm.home },
    { columns: 180, rows: 50 },
  );
});
after(() => {
  screen.close();
  endAll();
});

async function proposeUpToTheQuestion(): Promise<void> {
  screen.keys('n');
  for (const [question, answer] of [
    [/to ▏/, 'oak'],
    [/arbiter notary▏/, ''],
    [/file ▏/, 'sale.md'],
  ] as const) {
    await screen.until(question);
    screen.type(answer);
    screen.keys('Enter');
  }
  // One page, as wide as any line of it.
  await screen.until(/s propose/);
  screen.keys('s');
}

test('a proof ends with the keys: the next signature asks for the passphrase again', needsTmux, async () => {
  await screen.until(/no deals yet/);
  await proposeUpToTheQuestion();
  await screen.until(/passphrase ▏/);
  screen.type(PASSPHRASE);
  screen.keys('Enter');
  await screen.until(/propose [a-z0-9]{4}: done/);
  await screen.until(/may sign/);
  const agent = await elm.agent();
  await agent.lock();
  await screen.until(/Unlock the keys[\s\S]*esc no/);
  assert.doesNotMatch(screen.text(), /may sign/);
  screen.type(PASSPHRASE);
  screen.keys('Enter');
  await screen.until(/● online/);
  await proposeUpToTheQuestion();
  await screen.until(/passphrase ▏[\s\S]*esc no/);
  screen.keys('Escape');
  await screen.until(/nothing was signed/);
  assert.equal((await agent.dealList()).deals.length, 1);
});
