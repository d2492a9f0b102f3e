/**
 * Traders whose daemons stop themselves where a test says, whose clocks a test moves, and who may cheat with content
 * (crashing-fitd.program.ts); and what a delivery between two of them must come to.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AgentClient } from '../../src/rpc/client.ts';
import type { Orders } from './crashing-fitd.program.ts';
import { openssl } from './openssl.ts';
import type { Cheat } from './rogue-content.program.ts';
import { PASSPHRASE, type Trader } from './traders.ts';

const PROGRAM = fileURLToPath(new URL('../support/crashing-fitd.program.js', import.meta.url));
/** The shortest window that there is, in seconds. */
export const WINDOW = 60;

const ordersOf = (trader: Trader): string => join(trader.folder, `${trader.name}.orders`);
const clockOf = (trader: Trader): string => join(trader.folder, `${trader.name}.clock`);

/** At the time to which its clock was moved last. */
export function start(trader: Trader, cheat?: Cheat): Promise<void> {
  const options = { orders: ordersOf(trader), clock: clockOf(trader), ...(cheat === undefined ? {} : { cheat }) };
  return trader.start({ program: PROGRAM, env: { FIT_TEST_DAEMON: JSON.stringify(options) } });
}

export function order(trader: Trader, orders: Orders): void {
  writeFileSync(ordersOf(trader), JSON.stringify(orders));
}

/** From now on it is `aheadSec` later for them than for us, also if they run later only. */
export async function move(traders: readonly Trader[], aheadSec: number): Promise<void> {
  await Promise.all(
    traders.map(async (one) => {
      writeFileSync(clockOf(one), String(aheadSec));
      if (!one.running) return;
      const moved = one.speaks();
      one.signal('SIGUSR2');
      await moved;
    }),
  );
}

/** A file of the trader's with random bytes. */
export function fileOf(trader: Trader, bytes = 200_000): { readonly path: string; readonly data: Buffer } {
  const folder = join(trader.folder, `out-${randomBytes(6).toString('hex')}`);
  mkdirSync(folder);
  const path = join(folder, 'plan.pdf');
  const data = randomBytes(bytes);
  writeFileSync(path, data);
  return { path, data };
}

/** A proof of the passphrase counts for a while only, and time passes here. */
export async function consenting(trader: Trader): Promise<AgentClient> {
  const agent = await trader.agent();
  await agent.prove({ passphrase: PASSPHRASE });
  return agent;
}

/** Offers the file with the arbiter `notary`, with a window or a full check; the deal's id. */
export async function offer(
  sender: Trader,
  to: string,
  path: string,
  check: number | 'full' = WINDOW,
): Promise<string> {
  const agent = await consenting(sender);
  const checked = check === 'full' ? { full: true as const } : { window: check };
  return (await agent.dealDeliver({ files: [path], to, arbiter: 'notary', ...checked })).deal;
}

/** Both sides hold the same statements and signatures, which openssl verifies, and the receiver the same bytes. */
export async function sameDelivery(sender: Trader, receiver: Trader, deal: string, data: Buffer): Promise<void> {
  const [mine, theirs] = await Promise.all([sender.evidence(deal), receiver.evidence(deal)]);
  const names = ['delivery.md', 'origin.txt', 'origin.p7s', 'receipt.txt', 'receipt.p7s'] as const;
  for (const name of names) assert.deepEqual(mine.get(name), theirs.get(name), `${name} of both sides`);
  const folder = join(sender.folder, `evidence-${deal}`);
  mkdirSync(folder, { recursive: true });
  for (const [name, content] of mine) writeFileSync(join(folder, name), content);
  for (const name of ['origin', 'receipt']) {
    const command = `cms -verify -cades -binary -inform der -in ${name}.p7s -content ${name}.txt`;
    const said = openssl([...command.split(' '), '-CAfile', 'certificates.pem', '-out', '/dev/null'], { cwd: folder });
    assert.ok(said.ok && /successful/.test(said.text), said.text);
  }
  assert.deepEqual(await contentOf(receiver, deal), data);
}

/** The bytes that the receiver's daemon holds, or undefined. */
export async function contentOf(receiver: Trader, deal: string): Promise<Buffer | undefined> {
  const { files } = await (await receiver.agent()).deliveryShow({ deal });
  const path = files[0]?.path ?? null;
  return path === null ? undefined : readFileSync(path);
}

/** Why the deal ended as it did: one sentence, and the one that `fit deal show` prints. */
export async function reasonOf(trader: Trader, deal: string): Promise<string> {
  const { reason } = await (await trader.agent()).dealShow({ deal });
  assert.ok(reason !== null, `${trader.name} is told why`);
  const said = await trader.fit('deal', 'show', deal);
  assert.ok(said.stdout.includes(reason), said.stdout);
  return reason;
}
