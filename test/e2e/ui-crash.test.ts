/** A screen that fails: the terminal is given back and the program ends, saying so. Over a daemon that answers nonsense. */
import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { after, test } from 'node:test';
import type { Agent, DealSummary } from '../../src/rpc/agent.ts';
import { type PlayedDaemon, playDaemon } from '../support/played-daemon.ts';
import { needsTmux, openScreen, type Screen } from '../support/tmux.ts';
import { temporary } from '../support/traders.ts';

const screens: Screen[] = [];
const daemons: PlayedDaemon[] = [];

after(async () => {
  for (const screen of screens) screen.close();
  for (const daemon of daemons) await daemon.close();
});

const GOOD: DealSummary = {
  deal: 'aaaaxxxxxxxx',
  kind: 'contract' as const,
  references: [],
  title: 'Anvil',
  state: 'contracted',
  with: 'oak',
  verified: true,
  version: 1,
  document: 'ab'.repeat(32),
  offeredBy: 'them' as const,
  waitsFor: 'nobody',
  until: null,
  updated: '2026-11-20T12:00:00Z',
};
/** What the types forbid, as it comes from a socket. */
const nonsense = <T>(value: unknown): T => value as T;
const BAD = nonsense<DealSummary>({ ...GOOD, title: null });

/** The program in a shell of its own that looks at the terminal's modes before and after. */
async function open(answers: Partial<Agent>): Promise<[Screen, PlayedDaemon]> {
  const home = temporary();
  const daemon = await playDaemon(home, answers);
  daemons.push(daemon);
  const program = `${process.execPath} ${resolve('bin/fit')} ui`;
  const screen = openScreen(
    `before=$(stty -g); ${program}; echo "left with $?"; [ "$before" = "$(stty -g)" ] && echo modes are the same`,
    { FIT_HOME: home },
  );
  screens.push(screen);
  return [screen, daemon];
}

async function hasFailed(screen: Screen): Promise<void> {
  const text = await screen.until(/left with 70\n[\s\S]*modes are the same/);
  assert.match(text, /fit: internal error: /);
  assert.doesNotMatch(text, /q quit|── Deals/);
  assert.equal(screen.flags(), 'alternate 0 cursor 1');
}

test('the first screen fails', needsTmux, async () => {
  const [screen] = await open({ dealList: async () => ({ deals: [BAD] }) });
  await hasFailed(screen);
});

test('a screen fails when something changes under it', needsTmux, async () => {
  let deals = [GOOD];
  const [screen, daemon] = await open({ dealList: async () => ({ deals }) });
  await screen.until(/Anvil[\s\S]*q quit/);
  assert.equal(screen.flags(), 'alternate 1 cursor 0');
  deals = [BAD];
  daemon.changed();
  await hasFailed(screen);
});

test('a screen that was opened fails', needsTmux, async () => {
  const [screen] = await open({
    dealList: async () => ({ deals: [GOOD] }),
    dealShow: async () => nonsense({ deal: GOOD.deal, versions: 7, arbiter: null, transactions: null }),
    dealExplain: async () => nonsense({}),
  });
  await screen.until(/Anvil[\s\S]*q quit/);
  screen.keys('Enter');
  await hasFailed(screen);
});

test('another of the first screens fails', needsTmux, async () => {
  const [screen] = await open({
    dealList: async () => ({ deals: [GOOD] }),
    contactList: async () => ({ contacts: nonsense([{ contact: 'oak', name: 'oak' }]) }),
  });
  await screen.until(/Anvil[\s\S]*q quit/);
  screen.keys('2');
  await hasFailed(screen);
});
