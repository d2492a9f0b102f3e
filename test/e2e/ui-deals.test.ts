/** The first screen while deals move under the person's hand: the real program in tmux, over a daemon that this test plays. */
import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { after, before, test } from 'node:test';
import type { DealSummary } from '../../src/rpc/agent.ts';
import { type PlayedDaemon, playDaemon } from '../support/played-daemon.ts';
import { needsTmux, openScreen, type Screen } from '../support/tmux.ts';
import { temporary } from '../support/traders.ts';

const home = temporary();
const screens: Screen[] = [];
let daemon: PlayedDaemon;
let deals: DealSummary[] = [];

const TEXT = Buffer.from('# Sale\n\nOne bell.\n').toString('base64');

const deal = (id: string, title: string, waitsFor: DealSummary['waitsFor'], minute: number): DealSummary => ({
  deal: id.padEnd(12, 'x'),
  kind: 'contract',
  references: [],
  title,
  state: waitsFor === 'nobody' ? 'contracted' : 'offered',
  with: 'oak',
  verified: true,
  offeredBy: 'them',
  version: 1,
  document: 'ab'.repeat(32),
  waitsFor,
  until: null,
  updated: `2026-11-20T12:${String(minute).padStart(2, '0')}:00Z`,
});

function change(next: DealSummary[]): void {
  deals = next;
  daemon.changed();
}

before(async () => {
  daemon = await playDaemon(home, {
    dealList: async () => ({ deals }),
    dealText: async ({ deal }) => ({ deal, version: 1, document: 'ab'.repeat(32), data: TEXT }),
  });
});
after(async () => {
  for (const screen of screens) screen.close();
  await daemon.close();
});

function open(): Screen {
  const screen = openScreen(`${process.execPath} ${resolve('bin/fit')} ui`, { FIT_HOME: home });
  screens.push(screen);
  return screen;
}

/** Titles from above, the selected one with its mark. */
const titles = (text: string): string[] =>
  [...text.matchAll(/^([▸ ]) [a-z0-9]{4}[ *] (\w+) /gm)].map(([, mark, title]) => `${mark === '▸' ? '>' : ''}${title}`);

test('what waits for you stands above; the selection stays on its deal when the list moves', needsTmux, async () => {
  deals = [
    deal('aaaa', 'Anvil', 'nobody', 50),
    deal('bbbb', 'Bell', 'them', 40),
    deal('cccc', 'Clock', 'you', 10),
    deal('dddd', 'Drum', 'you', 20),
  ];
  const screen = open();
  assert.deepEqual(titles(await screen.until(/Anvil/)), ['>Drum', 'Clock', 'Anvil', 'Bell']);
  screen.keys('Down');
  await screen.until(/▸ cccc/);
  // A new one on top: the same deal stays selected, so that ↵ opens what was seen.
  change([...deals, deal('eeee', 'Elk', 'you', 30)]);
  assert.deepEqual(titles(await screen.until(/Elk/)), ['Elk', 'Drum', '>Clock', 'Anvil', 'Bell']);
  // It waits for them now, and goes down among the others.
  change(deals.map((one) => (one.title === 'Clock' ? deal('cccc', 'Clock', 'them', 45) : one)));
  assert.deepEqual(titles(await screen.until(/Anvil[\s\S]*Clock[\s\S]*Bell/)), [
    'Elk',
    'Drum',
    'Anvil',
    '>Clock',
    'Bell',
  ]);
  // Gone: whatever is in its row.
  change(deals.filter((one) => one.title !== 'Clock'));
  assert.deepEqual(titles(await screen.until(/3 of 3|4 of 4/)), ['Elk', 'Drum', 'Anvil', '>Bell']);
  screen.keys('q');
  await screen.until(/ended with 0/);
});

test('the selection that was never moved stays too', needsTmux, async () => {
  deals = [deal('aaaa', 'Anvil', 'nobody', 50), deal('bbbb', 'Bell', 'nobody', 40)];
  const screen = open();
  await screen.until(/▸ aaaa/);
  change([...deals, deal('cccc', 'Clock', 'you', 10)]);
  assert.deepEqual(titles(await screen.until(/Clock/)), ['Clock', '>Anvil', 'Bell']);
  screen.keys('q');
  await screen.until(/ended with 0/);
});

test(
  'keys that come together count each, and the last acts on what those before have selected',
  needsTmux,
  async () => {
    deals = Array.from({ length: 12 }, (_, at) =>
      deal(`n${String(at).padStart(3, '0')}`, `Number${at}`, 'nobody', 50 - at),
    );
    const screen = open();
    await screen.until(/▸ n000/);
    screen.type('jjj /');
    await screen.until(/text ▏/);
    screen.keys('Escape');
    assert.match(await screen.until(/▸ n003|▸ n00[^3]/), /▸ n003\*/);
    screen.keys('q');
    await screen.until(/ended with 0/);
  },
);
