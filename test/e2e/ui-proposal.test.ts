/** A new proposal by what each side gives, in `fit ui` with real daemons: the same reading and the same question as any text. */
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
  writeFileSync(join(folder, 'editor.sh'), '#!/bin/sh\nprintf "# Loan\\n\\nA saw.\\n" > "$1"\n', { mode: 0o755 });
  screen = openScreen(
    `${process.execPath} ${resolve('bin/fit')} ui`,
    { FIT_HOME: elm.home, EDITOR: join(folder, 'editor.sh') },
    { columns: 180, rows: 70 },
  );
});
after(() => {
  screen?.close();
  endAll();
});

async function answer(steps: readonly (readonly [RegExp, string])[]): Promise<void> {
  for (const [question, typed] of steps) {
    await screen.until(question);
    screen.type(typed);
    screen.keys('Enter');
  }
}

const TO_OAK = [
  [/ to ▏/, 'oak'],
  [/arbiter notary▏/, ''],
  [/file ▏/, ''],
] as const;

test(
  'what each side gives becomes the text and its terms; nothing is signed before it was read',
  needsTmux,
  async () => {
    await screen.until(/no deals yet/);
    screen.keys('n');
    await answer([
      ...TO_OAK,
      [/you give ▏/, 'one blue bicycle'],
      [/you want ▏/, ''],
      [/that they pay[\s\S]*amount ▏/, '120 euros'],
    ]);
    // Asked again, with what was typed.
    await screen.until(/a currency and a number[\s\S]*amount 120 euros▏/);
    screen.keys('C-u');
    await answer([[/amount ▏/, 'EUR 120.00']]);
    const read = await screen.until(/s propose/);
    assert.match(read, /The proposer gives the addressee:[^\n]*\n[^\n]* one blue bicycle/);
    assert.match(read, /amount = "EUR 120.00"/);
    const agent = await elm.agent();
    assert.equal((await agent.dealList()).deals.length, 0);
    screen.keys('s');
    await answer([[/passphrase ▏/, PASSPHRASE]]);
    await screen.until(/propose [a-z0-9]{4}: done/);
    const [deal] = (await agent.dealList()).deals;
    assert.equal(deal?.title, 'one blue bicycle for EUR 120.00');
  },
);

test('where both give something, who pays is asked; leaving signs nothing', needsTmux, async () => {
  screen.keys('n');
  await answer([
    ...TO_OAK,
    [/you give ▏/, 'a bell'],
    [/you want ▏/, 'a lamp'],
    [/that one side pays[\s\S]*amount ▏/, 'EUR 5'],
    [/paid by them▏/, ''],
  ]);
  await screen.until(/ a lamp \(EUR 5\)[\s\S]*s propose/);
  screen.keys('Escape');
  await screen.until(/nothing was signed/);
  assert.equal((await (await elm.agent()).dealList()).deals.length, 1);
});

test('where nothing is named the editor writes it', needsTmux, async () => {
  screen.keys('n');
  await answer([...TO_OAK, [/you give ▏/, ''], [/you want ▏/, '']]);
  await screen.until(/A saw\.[\s\S]*s propose/);
  screen.keys('Escape');
  await screen.until(/nothing was signed/);
});
