/** The terminal after `fit ui`, however it ends; and while it is stopped. In a shell in tmux, as a person starts it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { needsTmux, openScreen, type Screen } from '../support/tmux.ts';
import { endAll, Trader, temporary } from '../support/traders.ts';

const FIT = resolve('bin/fit');
const folder = temporary();
const oak = new Trader(folder, 'oak');
const screens: Screen[] = [];

before(async () => {
  await oak.init();
  await oak.start();
});
after(() => {
  for (const screen of screens) screen.close();
  endAll();
});

/** A shell with job control; `fit ui` in it, its number in a file. */
async function shell(): Promise<Screen> {
  const screen = openScreen('bash --norc --noprofile -i', {
    FIT_HOME: oak.home,

    FIT: `${process.execPath} ${FIT}`,
  });
  screens.push(screen);
  await screen.until(/[#$]\s*$/);
  screen.type('before=$(stty -g)');
  screen.keys('Enter');
  return screen;
}

async function start(screen: Screen): Promise<void> {
  // `exec` in a child: its number is the program's.
  screen.type(`bash -c 'echo $$ > ${join(folder, 'pid')}; exec $FIT ui'; echo "left with $?"`);
  screen.keys('Enter');
  await screen.until(/Trader oak|q quit/);
  await screen.until(/no deals yet/);
}

const pid = (): number => Number(readFileSync(join(folder, 'pid'), 'utf8'));

/** Modes as before, cursor and main screen back, and nothing of ours on it. */
async function isClean(screen: Screen, code: number): Promise<void> {
  const text = await screen.until(new RegExp(`left with ${code}\\n`));
  assert.doesNotMatch(text, /no deals yet|q quit/);
  screen.type('[ "$before" = "$(stty -g)" ] && echo modes are the same');
  screen.keys('Enter');
  await screen.until(/\nmodes are the same/);
  assert.equal(screen.flags(), 'alternate 0 cursor 1');
}

for (const [signal, code] of [
  ['SIGTERM', 143],
  ['SIGHUP', 129],
  ['SIGINT', 130],
] as const) {
  test(`${signal} leaves a clean terminal`, needsTmux, async () => {
    const screen = await shell();
    await start(screen);
    assert.equal(screen.flags(), 'alternate 1 cursor 0');
    process.kill(pid(), signal);
    await isClean(screen, code);
  });
}

test('q, and Ctrl-C with 130', needsTmux, async () => {
  const screen = await shell();
  await start(screen);
  screen.keys('q');
  await isClean(screen, 0);
  screen.type('clear');
  screen.keys('Enter');
  await start(screen);
  screen.keys('C-c');
  await isClean(screen, 130);
});

test('Ctrl-Z and SIGTSTP give the terminal back until fg', needsTmux, async () => {
  const screen = await shell();
  screen.type(`echo 'echo $$ > ${join(folder, 'pid')}; exec $FIT ui' > ${join(folder, 'go')}; clear`);
  screen.keys('Enter');
  screen.type(`bash ${join(folder, 'go')}`);
  screen.keys('Enter');
  await screen.until(/no deals yet/);
  for (const stop of [() => screen.keys('C-z'), () => process.kill(pid(), 'SIGTSTP')]) {
    stop();
    const text = await screen.until(/Stopped/);
    assert.doesNotMatch(text, /no deals yet/);
    assert.equal(screen.flags(), 'alternate 0 cursor 1');
    screen.type('clear; fg');
    screen.keys('Enter');
    await screen.until(/no deals yet/);
    screen.keys('2');
    await screen.until(/no contacts yet/);
    screen.keys('1');
    await screen.until(/no deals yet/);
  }
  screen.keys('q');
  const left = await screen.until(/[#$]\s*$/);
  assert.doesNotMatch(left, /no deals yet/);
  assert.equal(screen.flags(), 'alternate 0 cursor 1');
});
