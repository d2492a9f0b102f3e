/** `fit ui` where there is no trader yet: the first questions, then the screens; and who is not asked. In tmux. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, test } from 'node:test';
import { homePaths } from '../../src/lib/paths.ts';
import { connect } from '../../src/rpc/client.ts';
import { needsTmux, openScreen, type Screen } from '../support/tmux.ts';
import { fit, PASSPHRASE, temporary } from '../support/traders.ts';

const FIT = resolve('bin/fit');
const folder = temporary();
const screens: Screen[] = [];
const made: string[] = [];

after(async () => {
  for (const screen of screens) screen.close();
  // Started by the program itself, not by this test.
  for (const home of made) await fit(['daemon', 'stop'], { env: { FIT_HOME: home } });
});

function open(name: string, args: string, env: Readonly<Record<string, string>> = {}): [Screen, string] {
  const home = join(folder, name);
  const screen = openScreen(`${process.execPath} ${FIT} ${args}`, { FIT_HOME: home, ...env });
  screens.push(screen);
  return [screen, home];
}

/** Name and passphrase; no contact. */
async function answer(screen: Screen, home: string): Promise<void> {
  await screen.until(/no trader here yet[\s\S]*your name, as it stands in contracts/);
  made.push(home);
  for (const [typed, next] of [
    ['Trader Yew', /new passphrase/],
    [PASSPHRASE, /the same again/],
    [PASSPHRASE, /other side’s card/],
  ] as const) {
    screen.type(typed);
    screen.keys('Enter');
    await screen.until(next);
  }
  assert.match(screen.text(), /your card, for the other side and the arbiter:\nfit1/);
  screen.keys('Enter');
}

test('fit ui asks the first questions and opens the screens of the trader that it made', needsTmux, async () => {
  const [screen, home] = open('yew', 'ui');
  await answer(screen, home);
  await screen.until(/Trader Yew ● online[\s\S]*no deals yet/);
  assert.equal(screen.flags(), 'alternate 1 cursor 0');
  // The keys are the screens': nobody else reads the terminal any more.
  screen.keys('2');
  await screen.until(/no contacts yet/);
  screen.type('1n');
  await screen.until(/to ▏/);
  screen.type('nobody');
  await screen.until(/to nobody▏/);
  screen.keys('Escape');
  await screen.until(/no deals yet/);
  screen.keys('q');
  const left = await screen.until(/ended with 0/);
  // What was said before is still to be read.
  assert.match(left, /fit1[\s\S]*ended with 0/);
  assert.equal(screen.flags(), 'alternate 0 cursor 1');
  const agent = await connect(homePaths({ FIT_HOME: home }).socket);
  assert.equal((await agent.status()).locked, false);
  agent.close();
  // The second time nothing is asked.
  const [again] = open('yew', 'ui');
  await again.until(/Trader Yew ● online[\s\S]*no deals yet/);
  again.keys('q');
  await again.until(/ended with 0/);
});

test('line by line too', needsTmux, async () => {
  const [screen, home] = open('fir', 'ui --plain');
  await answer(screen, home);
  await screen.until(/fit>/);
  screen.type('deals');
  screen.keys('Enter');
  await screen.until(/fit> deals[\s\S]*fit>/);
  screen.type('quit');
  screen.keys('Enter');
  await screen.until(/ended with 0/);
});

test('left at the first question, nothing is made and the terminal is as it was', needsTmux, async () => {
  const [screen, home] = open('ash', 'ui');
  await screen.until(/your name, as it stands in contracts/);
  screen.keys('C-c');
  await screen.until(/ended with 130/);
  assert.equal(screen.flags(), 'alternate 0 cursor 1');
  assert.equal(existsSync(homePaths({ FIT_HOME: home }).config), false);
});

test('where no questions may be asked it says that there is no trader', needsTmux, async () => {
  const [screen] = open('elder', 'ui', { FIT_NON_INTERACTIVE: '1' });
  assert.match(await screen.until(/ended with 3/), /there is no trader here yet/);
  const [flagged] = open('elder', 'ui --non-interactive');
  assert.match(await flagged.until(/ended with 3/), /there is no trader here yet/);
});

test('without a terminal it needs one, trader or not', async () => {
  const home = join(folder, 'birch');
  const said = await fit(['ui'], { env: { FIT_HOME: home } });
  assert.equal(said.code, 5);
  assert.match(said.stderr, /needs a terminal/);
  assert.equal(existsSync(home), false);
});
