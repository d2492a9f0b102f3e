/** A trader's day in `fit ui`, both sides at once, in real terminals with real daemons; and how the screen behaves. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { connect } from '../../src/rpc/client.ts';
import { needsTmux, openScreen, type Screen } from '../support/tmux.ts';
import { endAll, fit, introduce, PASSPHRASE, Trader, temporary } from '../support/traders.ts';

const FIT = resolve('bin/fit');
const folder = temporary();
const screens: Screen[] = [];
const elm = new Trader(folder, 'elm');
const oak = new Trader(folder, 'oak');
const notary = new Trader(folder, 'notary');

function open(
  trader: Trader,
  args = 'ui',
  env: Readonly<Record<string, string>> = {},
  size?: { columns: number; rows: number },
): Screen {
  const screen = openScreen(
    `cd ${folder} && ${process.execPath} ${FIT} ${args}`,
    { FIT_HOME: trader.home, EDITOR: join(folder, 'editor.sh'), ...env },
    size,
  );
  screens.push(screen);
  return screen;
}

before(async () => {
  // An editor that changes the price.
  writeFileSync(join(folder, 'editor.sh'), '#!/bin/sh\nsed -i "s/120 euros/110 euros/" "$1"\n', { mode: 0o755 });
  await oak.init();
  await notary.init({ role: 'arbiter' });
  await Promise.all([oak.start(), notary.start()]);
  await introduce([oak, notary]);
});

after(async () => {
  for (const screen of screens) screen.close();
  // Started by the command itself in its first run, not by this test.
  await fit(['daemon', 'stop'], { env: { FIT_HOME: elm.home } });
  endAll();
});

const cards = async (): Promise<void> => {
  for (const trader of [oak, notary]) {
    const agent = await connect(trader.paths.socket);
    writeFileSync(join(folder, `${trader.name}.card`), (await agent.card()).card);
    agent.close();
  }
};

/** Every column of every line: down to the end, to the right, and back up; then the key that asks. */
async function readThrough(screen: Screen, verb: string): Promise<void> {
  const text = await screen.until(/page 1 of [0-9]+ · .*not wholly seen/);
  const pages = Number(/page 1 of ([0-9]+)/.exec(text)?.[1]);
  for (let page = 2; page <= pages; page += 1) {
    screen.keys('Space');
    await screen.until(new RegExp(`page ${page} of`));
  }
  screen.keys('Right');
  await screen.until(/from column/);
  for (let page = pages - 1; page >= 1; page -= 1) {
    screen.keys('b');
    await screen.until(new RegExp(`page ${page} of`));
  }
  await screen.until(new RegExp(`s ${verb}`));
  screen.keys('s');
}

test('first run, contacts, propose, read, counter, accept, contracted, export', needsTmux, async () => {
  await cards();
  const first = open(elm, '');
  await first.until(/your name, as it stands in contracts/);
  first.type('Trader elm');
  first.keys('Enter');
  await first.until(/new passphrase/);
  first.type('abc123');
  first.keys('Enter');
  await first.until(/the same again/);
  first.type('abc123');
  first.keys('Enter');
  await first.until(/hopeless|weak/);
  first.keys('Enter');
  await first.until(/new passphrase/);
  first.type(PASSPHRASE);
  first.keys('Enter');
  await first.until(/the same again/);
  first.type(PASSPHRASE);
  first.keys('Enter');
  await first.until(/other side’s card/);
  const words = (await (await connect(elm.paths.socket)).status()).name;
  assert.equal(words, 'Trader elm');
  for (const [name, same] of [
    ['oak', 'yes'],
    ['notary', ''],
  ] as const) {
    first.type(`${name}.card`);
    first.keys('Enter');
    await first.until(/your name for them/);
    first.type(name);
    first.keys('Enter');
    await first.until(/the same on both sides\?/);
    first.type(same);
    first.keys('Enter');
    await first.until(new RegExp(`${name} is verified|added ${name}[\\s\\S]*other side’s card`));
  }
  first.keys('Enter');
  // The first run ends in the screens.
  await first.until(/● online[\s\S]*no deals yet/);
  first.keys('q');
  await first.until(/ended with 0/);

  const mine = await connect(elm.paths.socket);
  const card = (await mine.card()).card;
  await (await oak.agent()).contactAdd({ card, as: 'elm' });
  const theirs = open(oak);
  await theirs.until(/no deals yet/);
  // Verified by words: the same sixteen on both sides.
  theirs.keys('2');
  await theirs.until(/▸ notary|▸ elm/);
  const spoken = (await mine.contactShow({ contact: 'oak' })).words.split(' ');
  if (!/▸ elm/.test(theirs.text())) theirs.keys('Down');
  await theirs.until(/▸ elm/);
  theirs.keys('Enter');
  const shown = await theirs.until(/compare these words/);
  for (const word of spoken) assert.ok(shown.includes(word), word);
  theirs.keys('v');
  await theirs.until(/all 16 are the same/);
  theirs.keys('y');
  await theirs.until(/passphrase ▏/);
  theirs.type(PASSPHRASE);
  theirs.keys('Enter');
  await theirs.until(/elm is verified/);
  assert.equal((await (await oak.agent()).contactShow({ contact: 'elm' })).attested, true);
  // Escape and a key at once would be another key.
  theirs.keys('Escape');
  await theirs.until(/CONTACT +NAME/);
  theirs.keys('1');

  // Elm proposes from a file.
  writeFileSync(join(folder, 'sale.md'), '# Sale of a bicycle\n\nOne blue bicycle for 120 euros.\n');
  const ours = open(elm);
  await ours.until(/no deals yet/);
  ours.keys('n');
  await ours.until(/to ▏/);
  ours.type('oak');
  ours.keys('Enter');
  await ours.until(/arbiter notary▏/);
  ours.keys('Enter');
  await ours.until(/file ▏/);
  ours.type('sale.md');
  ours.keys('Enter');
  await readThrough(ours, 'propose');
  await ours.until(/passphrase ▏/);
  assert.match(ours.text(), /asked by +you, in this terminal/);
  ours.type(PASSPHRASE);
  ours.keys('Enter');
  await ours.until(/Sale of a bicycle +oak ✓ +offered v1 +them/);

  // Oak reads it, and answers with another price.
  await theirs.until(/Sale of a bicycle +elm ✓ +offered v1 +you/);
  theirs.keys('Enter');
  await theirs.until(/a accept · c counter/);
  theirs.keys('c');
  await readThrough(theirs, 'counter');
  // This terminal has proven the passphrase a moment ago.
  await theirs.until(/type sign ▏/);
  theirs.type('sign');
  theirs.keys('Enter');
  await theirs.until(/counter [a-z0-9]{4}: done/);

  // Elm sees what changed, and accepts; a wrong passphrase signs nothing.
  await ours.until(/offered v2 +you/);
  ours.keys('Enter');
  await ours.until(/f diff/);
  ours.keys('f');
  await ours.until(/\[-120-\]\{\+110\+\}/);
  ours.keys('Escape');
  await ours.until(/a accept/);
  ours.keys('a');
  await readThrough(ours, 'sign');
  await ours.until(/type sign ▏/);
  ours.type('sing');
  ours.keys('Enter');
  await ours.until(/type the word sign/);
  assert.equal((await mine.dealList()).deals[0]?.state, 'offered');
  ours.type('sign');
  ours.keys('Enter');
  await ours.until(/state +contracted/);
  await theirs.until(/state +contracted/);
  ours.keys('x');
  await ours.until(/folder .*▏/);
  ours.keys('C-u');
  ours.type('evidence');
  ours.keys('Enter');
  await ours.until(/fit verify evidence/);
  assert.ok(existsSync(join(folder, 'evidence', 'contract.p7s')));
  assert.match(readFileSync(join(folder, 'evidence', 'contract.md'), 'utf8'), /110 euros/);
  assert.equal((await fit(['verify', join(folder, 'evidence')])).code, 0);
  ours.keys('Escape');
  await ours.until(/q quit/);
  ours.keys('q');
  await ours.until(/ended with 0/);
  theirs.keys('C-c');
  await theirs.until(/ended with 130/);
  mine.close();
});

test('a program’s request is a question here; what was typed before it was drawn is no answer', needsTmux, async () => {
  const screen = open(oak);
  await screen.until(/1 of 1|DEAL/);
  const agent = await oak.consenting();
  const text = Buffer.from('# Loan\n\nA ladder, until May.\n').toString('base64');
  const other = await connect(oak.paths.socket);
  await assert.rejects(other.dealPropose({ document: text, to: 'elm', arbiter: 'notary' }), { code: 'needs-approval' });
  // All of these are answers to the question, had it been seen: x refuses.
  screen.type('xxxx');
  await screen.until(/A program asks for your signature[\s\S]*esc later/);
  assert.equal((await agent.approveList({})).requests.length, 1);
  const shown = await screen.until(/asked by/);
  assert.match(shown, /asked by +\S+/);
  assert.match(shown, /why you +there is no policy/);
  screen.keys('Escape');
  await screen.until(/1 wait for you[\s\S]*n new/);
  screen.keys('3');
  await screen.until(/▸ .*offer/);
  screen.keys('x');
  await screen.until(/nothing waits for your signature/);
  assert.equal((await agent.approveList({})).requests.length, 0);
  other.close();
  screen.keys('q');
  await screen.until(/ended with 0/);
});

test(
  'the terminal is left as it was; it shrinks, grows, and comes back after the daemon was away',
  needsTmux,
  async () => {
    const screen = open(oak, 'ui', { NO_COLOR: '1' });
    await screen.until(/Trader oak/);
    screen.resize(60, 16);
    await screen.until(/Trader oak[\s\S]*q quit|DEAL[\s\S]*Deals ─/);
    screen.resize(50, 10);
    await screen.until(/too small/);
    screen.resize(120, 40);
    await screen.until(/tab next · q quit/);
    screen.keys('?');
    await screen.until(/this help/);
    screen.keys('Escape');
    await oak.kill();
    await screen.until(/daemon is away/);
    await oak.start();
    await screen.until(/● online/);
    screen.keys('q');
    const left = await screen.until(/ended with 0/);
    assert.doesNotMatch(left, /Trader oak/);
  },
);

test('without a terminal it says so and exits 5', async () => {
  const said = await oak.fails(5, 'ui');
  assert.match(said.stderr, /needs a terminal/);
});

test('on a low screen the question is read to its end before it takes an answer', needsTmux, async () => {
  const screen = open(oak, 'ui', {}, { columns: 60, rows: 16 });
  await screen.until(/q quit|DEAL/);
  const other = await connect(oak.paths.socket);
  const document = Buffer.from('# Loan\n\nA saw, until May.\n').toString('base64');
  await assert.rejects(other.dealPropose({ document, to: 'elm', arbiter: 'notary' }), { code: 'needs-approval' });
  await screen.until(/A program asks[\s\S]*more lines[\s\S]*esc later/);
  screen.keys('r');
  await readThrough(screen, 'sign');
  await screen.until(/more lines[\s\S]*passphrase ▏/);
  screen.type(PASSPHRASE);
  screen.keys('Enter');
  await screen.until(/there is more to read/);
  assert.equal((await other.approveList({})).requests.length, 1);
  screen.keys('Down');
  screen.keys('Down');
  await screen.until(/why you/);
  screen.type(PASSPHRASE);
  screen.keys('Enter');
  await screen.until(/signed/);
  other.close();
  screen.keys('C-c');
  await screen.until(/ended with 130/);
});

test('line by line: the same powers, events between the lines, no drawing', needsTmux, async () => {
  const screen = open(oak, 'ui --plain');
  await screen.until(/fit>/);
  screen.type('deals');
  screen.keys('Enter');
  await screen.until(/fit> deals[\s\S]*TITLE[\s\S]*fit>/);
  screen.type('policy show');
  screen.keys('Enter');
  await screen.until(/there is none: every signature needs you/);
  screen.type('show nosuchdeal');
  screen.keys('Enter');
  await screen.until(/fit: there is no such deal/);
  const other = await connect(oak.paths.socket);
  const document = Buffer.from('# Loan\n\nA rake, until May.\n').toString('base64');
  await assert.rejects(other.dealPropose({ document, to: 'elm', arbiter: 'notary' }), { code: 'needs-approval' });
  const text = await screen.until(/request ([0-9a-z]{12}) waits for you/);
  const id = /request ([0-9a-z]{12}) waits/.exec(text)?.[1] ?? '';
  screen.type(`refuse ${id}`);
  screen.keys('Enter');
  await screen.until(/refused[\s\S]*nothing was signed/);
  other.close();
  screen.type('quit');
  screen.keys('Enter');
  await screen.until(/ended with 0/);
});
