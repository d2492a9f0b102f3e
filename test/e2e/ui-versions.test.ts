/** A deal of several versions in `fit ui`: each is read, and any two are held against each other. In tmux, with real daemons. */
import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { AgentClient } from '../../src/rpc/client.ts';
import { needsTmux, openScreen, type Screen } from '../support/tmux.ts';
import { endAll, introduce, Trader, temporary } from '../support/traders.ts';

const LOOK_MS = 20;
const ARRIVED_MS = 20_000;
const folder = temporary();
const elm = new Trader(folder, 'elm');
const oak = new Trader(folder, 'oak');
const notary = new Trader(folder, 'notary');
let screen: Screen;

const text = (price: number): string => Buffer.from(`# Sale\n\nOne bell for ${price} euros.\n`).toString('base64');

/** Nobody tells when a version has arrived but the events that the screens have, so this looks. */
async function versionIs(agent: AgentClient, deal: string, version: number): Promise<void> {
  const end = Date.now() + ARRIVED_MS;
  for (;;) {
    const { deals } = await agent.dealList();
    if ((deals.find((one) => one.deal === deal)?.version ?? 0) >= version) return;
    assert.ok(Date.now() < end, `version ${version} did not come`);
    await delay(LOOK_MS);
  }
}

before(async () => {
  await Promise.all([elm.init(), oak.init(), notary.init({ role: 'arbiter' })]);
  await Promise.all([elm.start(), oak.start(), notary.start()]);
  await introduce([elm, oak, notary]);
  const [ours, theirs] = [await elm.consenting(), await oak.consenting()];
  const { deal } = await ours.dealPropose({ document: text(100), to: 'oak', arbiter: 'notary' });
  await versionIs(theirs, deal, 1);
  await theirs.dealCounter({ deal, document: text(200) });
  await versionIs(ours, deal, 2);
  await ours.dealCounter({ deal, document: text(300) });
  screen = openScreen(
    `${process.execPath} ${resolve('bin/fit')} ui`,
    { FIT_HOME: elm.home },
    { columns: 120, rows: 70 },
  );
});
after(() => {
  screen?.close();
  endAll();
});

test('the text of each version is read, one after the other', needsTmux, async () => {
  await screen.until(/offered v3/);
  screen.keys('Enter');
  await screen.until(/f diff/);
  screen.keys('t');
  await screen.until(/for 300 euros[\s\S]*── version 3 ─[\s\S]*\[ older/);
  assert.doesNotMatch(screen.text(), /\] newer/);
  screen.keys('[');
  await screen.until(/for 200 euros[\s\S]*── version 2 ─[\s\S]*\[ older · \] newer/);
  screen.keys('[');
  await screen.until(/for 100 euros[\s\S]*── version 1 ─[\s\S]*\] newer/);
  assert.doesNotMatch(screen.text(), /\[ older/);
  // There is none before.
  screen.keys('[');
  screen.keys(']');
  await screen.until(/for 200 euros[\s\S]*── version 2 ─/);
  screen.keys('Escape');
  await screen.until(/f diff/);
});

test('any two versions are held against each other', needsTmux, async () => {
  screen.keys('f');
  await screen.until(/version 2 → version 3[\s\S]*\[-200-\]\{\+300\+\}[\s\S]*\[ older · \{ from older/);
  screen.keys('{');
  await screen.until(/version 1 → version 3[\s\S]*\[-100-\]\{\+300\+\}[\s\S]*\} from newer/);
  screen.keys('}');
  await screen.until(/version 2 → version 3/);
  screen.keys('[');
  await screen.until(/version 1 → version 2[\s\S]*\[-100-\]\{\+200\+\}[\s\S]*\] newer/);
  screen.keys(']');
  await screen.until(/version 2 → version 3/);
  screen.keys('Escape');
  await screen.until(/f diff/);
});
