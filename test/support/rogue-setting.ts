/** Three traders with moved clocks (rogue-trio.ts), of whom the last is the arbiter, and cheats who know one of the others. */
import { after, before, type TestContext } from 'node:test';
import { type Rogue, startRogue } from './rogue.ts';
import { start } from './rogue-trio.ts';
import { endAll, introduce, type Setup, Trader, temporary } from './traders.ts';

/** Plays one side against `victim` until the test ends. `validSec`: how long its certificate is valid. */
export function rogues(notary: Trader): (t: TestContext, victim: Trader, validSec?: number) => Promise<Rogue> {
  let made = 0;
  return async (t, victim, validSec) => {
    made += 1;
    const rogue = await startRogue(victim, notary, `rogue${made}`, validSec);
    t.after(() => rogue.stop());
    return rogue;
  };
}

/** Made before the tests of the file that calls it and ended after them. */
export function rogueSetting(setup: Setup = {}) {
  const folder = temporary();
  const [elm, oak, notary] = ['elm', 'oak', 'notary'].map((name) => new Trader(folder, name)) as [
    Trader,
    Trader,
    Trader,
  ];
  const everyone = [elm, oak, notary];
  before(async () => {
    await Promise.all([elm.init(setup), oak.init(setup), notary.init({ ...setup, role: 'arbiter' })]);
    await Promise.all(everyone.map((one) => start(one)));
    await introduce(everyone);
  });
  after(endAll);
  return { folder, elm, oak, notary, everyone, rogueOf: rogues(notary) };
}
