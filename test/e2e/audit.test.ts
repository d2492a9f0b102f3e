/** `fit audit verify` finds whatever somebody with the disk and without the passphrase does to the log of a stopped daemon. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openLevelStore } from '../../src/archive/level-store.ts';
import type { Store } from '../../src/archive/store.ts';
import type { AuditVerdict } from '../../src/rpc/approvals.ts';
import { endAll, parsed, startTrio, type Trader, type Trio } from '../support/traders.ts';

let oak: Trader;

before(async () => {
  const trio: Trio = await startTrio();
  oak = trio.oak;
  for (let i = 0; i < 3; i += 1) {
    const deal = await trio.elm.offer(oak);
    await oak.waitFor(deal, ['offered']);
    await (await oak.consenting()).dealAccept({ deal });
    await oak.waitFor(deal, ['contracted']);
  }
});
after(endAll);

async function entries(store: Store): Promise<(readonly [string, Uint8Array])[]> {
  const found: (readonly [string, Uint8Array])[] = [];
  for await (const [key, value] of store.list('audit')) found.push([key, new Uint8Array(value)]);
  return found;
}

const put = (key: string, value: Uint8Array) => ({ kind: 'put', space: 'audit', key, value }) as const;
const remove = (key: string) => ({ kind: 'delete', space: 'audit', key }) as const;

/** Does `harm` to the stopped home, asks for the verdict, and puts everything back. */
async function harmed(
  harm: (
    found: readonly (readonly [string, Uint8Array])[],
  ) => readonly (ReturnType<typeof put> | ReturnType<typeof remove>)[],
): Promise<AuditVerdict> {
  oak.signal('SIGTERM');
  await oak.exited;
  let store = await openLevelStore(oak.paths.archive);
  const whole = await entries(store);
  await store.batch(harm(whole));
  await store.close();
  await oak.start();
  const said = await oak.fit('audit', 'verify', '--json');
  assert.equal(said.code, 1, said.stderr);
  oak.signal('SIGTERM');
  await oak.exited;
  store = await openLevelStore(oak.paths.archive);
  await store.batch([
    ...(await entries(store)).map(([key]) => remove(key)),
    ...whole.map(([key, value]) => put(key, value)),
  ]);
  await store.close();
  await oak.start();
  assert.equal((await oak.ok<AuditVerdict>('audit', 'verify')).ok, true, 'put back, it is whole');
  return parsed<AuditVerdict>(said);
}

test('whole: nine entries, three for each signature', async () => {
  const verdict = await oak.ok<AuditVerdict>('audit', 'verify');
  assert.deepEqual([verdict.ok, verdict.entries], [true, 9]);
});

test('an entry that was removed is missed', async () => {
  const verdict = await harmed((found) => [remove(found[4]?.[0] ?? '')]);
  assert.match(verdict.problem ?? '', /entry 5 of the audit log is not there|missing/);
});

test('an entry that was altered does not open', async () => {
  const verdict = await harmed((found) => {
    const [key, value] = found[4] ?? ['', new Uint8Array()];
    const other = value.slice();
    other[other.length >> 1] = (other[other.length >> 1] ?? 0) ^ 1;
    return [put(key, other)];
  });
  assert.match(verdict.problem ?? '', /audit is damaged/);
});

test('entries that changed places do not open', async () => {
  const verdict = await harmed((found) => {
    const [[one, first] = ['', new Uint8Array()], [other, second] = ['', new Uint8Array()]] = found.slice(3, 5);
    return [put(one, second), put(other, first)];
  });
  assert.match(verdict.problem ?? '', /audit is damaged/);
});
