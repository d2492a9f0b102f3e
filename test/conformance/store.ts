/** What every store must do (src/archive/store.ts). `open` gives an empty one; the suite closes it. */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { ListOptions, Space, Store, StoreOp } from '../../src/archive/store.ts';
import { compare, fromUtf8, utf8 } from '../../src/lib/bytes.ts';

const put = (space: Space, key: string, value: string): StoreOp => ({ kind: 'put', space, key, value: utf8(value) });
const remove = (space: Space, key: string): StoreOp => ({ kind: 'delete', space, key });

async function keys(store: Store, space: Space, options?: ListOptions): Promise<string[]> {
  const found: string[] = [];
  for await (const [key] of store.list(space, options)) found.push(key);
  return found;
}

async function text(store: Store, space: Space, key: string): Promise<string | undefined> {
  const value = await store.get(space, key);
  return value === undefined ? undefined : fromUtf8(value);
}

export function storeSuite(name: string, openEmpty: (t: TestContext) => Promise<Store>): void {
  async function opened(t: TestContext): Promise<Store> {
    const store = await openEmpty(t);
    t.after(() => store.close().catch(() => undefined));
    return store;
  }

  describe(`store: ${name}`, () => {
    test('gives what was put, and undefined for what was not or no longer is', async (t) => {
      const store = await opened(t);
      assert.equal(await store.get('deals', 'a'), undefined);
      await store.batch([put('deals', 'a', 'one'), put('contacts', 'a', 'two')]);
      assert.equal(await text(store, 'deals', 'a'), 'one');
      assert.equal(await text(store, 'contacts', 'a'), 'two');
      await store.batch([remove('deals', 'a'), remove('deals', 'never there')]);
      assert.equal(await store.get('deals', 'a'), undefined);
      assert.equal(await text(store, 'contacts', 'a'), 'two');
    });

    test('keeps empty values, large values and every byte', async (t) => {
      const store = await opened(t);
      const every = Uint8Array.from({ length: 256 }, (_, i) => i);
      const large = new Uint8Array(1 << 20).fill(7);
      await store.batch([
        { kind: 'put', space: 'spool', key: 'empty', value: new Uint8Array() },
        { kind: 'put', space: 'spool', key: 'every', value: every },
        { kind: 'put', space: 'spool', key: 'large', value: large },
      ]);
      assert.deepEqual(Buffer.from((await store.get('spool', 'empty')) ?? [1]), Buffer.alloc(0));
      assert.deepEqual(Buffer.from((await store.get('spool', 'every')) ?? []), Buffer.from(every));
      assert.deepEqual(Buffer.from((await store.get('spool', 'large')) ?? []), Buffer.from(large));
    });

    test('takes the last operation of a batch on a key, and batches in call order', async (t) => {
      const store = await opened(t);
      await store.batch([put('deals', 'a', '1'), remove('deals', 'a'), put('deals', 'a', '2')]);
      assert.equal(await text(store, 'deals', 'a'), '2');
      const writes = Array.from({ length: 50 }, (_, i) => store.batch([put('deals', 'a', `${i}`)]));
      writes.push(store.batch([remove('deals', 'a')]), store.batch([put('deals', 'a', 'last')]));
      await Promise.all(writes);
      assert.equal(await text(store, 'deals', 'a'), 'last');
    });

    test('copies: later changes of a given or a returned value change nothing', async (t) => {
      const store = await opened(t);
      const value = utf8('before');
      const written = store.batch([{ kind: 'put', space: 'deals', key: 'a', value }]);
      value.fill(0);
      await written;
      (await store.get('deals', 'a'))?.fill(0);
      for await (const [, listed] of store.list('deals')) listed.fill(0);
      assert.equal(await text(store, 'deals', 'a'), 'before');
    });

    test('a batch with one bad key changes nothing', async (t) => {
      const store = await opened(t);
      for (const bad of ['', 'a\0b', '\ud800', 'x'.repeat(201), 'é'.repeat(101)]) {
        await assert.rejects(store.batch([put('deals', 'good', '1'), put('deals', bad, '2')]), RangeError);
        await assert.rejects(store.get('deals', bad), RangeError);
      }
      assert.deepEqual(await keys(store, 'deals'), []);
      await store.batch([put('deals', 'é'.repeat(100), 'longest')]);
      assert.equal((await keys(store, 'deals')).length, 1);
    });

    test('lists by the bytes of UTF-8, within its space', async (t) => {
      const store = await opened(t);
      const wild = ['b', 'a', 'Ω', '\u{1f600}', '\u{ffee}', '\u0001', '~', 'a!b', 'a b', 'ab', '10', '9', '\u007f'];
      await store.batch(wild.map((key) => put('deals', key, key)));
      // Neighbours in the order of space names.
      await store.batch([put('contacts', 'zzz', ''), put('exchanges', '!', '')]);
      const expected = [...wild].sort((a, b) => compare(utf8(a), utf8(b)));
      assert.deepEqual(await keys(store, 'deals'), expected);
      assert.deepEqual(await keys(store, 'deals', { reverse: true }), expected.toReversed());
      for (const key of wild) assert.equal(await text(store, 'deals', key), key);
    });

    test('lists between bounds, backwards, and no more than asked', async (t) => {
      const store = await opened(t);
      await store.batch(['a', 'b', 'c', 'd'].map((key) => put('meta', key, key)));
      const cases: [ListOptions, string][] = [
        [{}, 'abcd'],
        [{ from: 'b' }, 'bcd'],
        [{ to: 'c' }, 'ab'],
        [{ from: 'b', to: 'd' }, 'bc'],
        [{ from: 'b', to: 'b' }, ''],
        [{ from: 'c', to: 'b' }, ''],
        [{ from: 'bb', to: 'cc' }, 'c'],
        [{ from: '', to: '' }, ''],
        [{ reverse: true }, 'dcba'],
        [{ from: 'b', to: 'd', reverse: true }, 'cb'],
        [{ limit: 0 }, ''],
        [{ limit: 2 }, 'ab'],
        [{ limit: 99 }, 'abcd'],
        [{ limit: 1, reverse: true }, 'd'],
        [{ limit: 4, reverse: true }, 'dcba'],
        [{ from: 'b', limit: 2 }, 'bc'],
      ];
      for (const [options, expected] of cases)
        assert.equal((await keys(store, 'meta', options)).join(''), expected, JSON.stringify(options));
      for (const limit of [-1, 1.5, Number.NaN])
        await assert.rejects(async () => keys(store, 'meta', { limit }), RangeError);
    });

    test('a list shows the moment of its call and may be left early', async (t) => {
      const store = await opened(t);
      await store.batch(Array.from({ length: 100 }, (_, i) => put('deals', `k${i}`, 'old')));
      const list = store.list('deals');
      await store.batch([remove('deals', 'k0'), put('deals', 'k1', 'new'), put('deals', 'z', 'new')]);
      let seen = 0;
      for await (const [, value] of list) {
        assert.equal(fromUtf8(value), 'old');
        seen += 1;
      }
      assert.equal(seen, 100);
      for await (const _ of store.list('deals')) break;
      assert.equal((await keys(store, 'deals')).length, 100);
    });

    test('100 batches at once: each whole, all there', async (t) => {
      const store = await opened(t);
      const batches = Array.from({ length: 100 }, async (_, i) => {
        await store.batch([
          put('deals', `x${i}`, `${i}`),
          put('exchanges', `x${i}`, `${i}`),
          put('deals', 'last', `${i}`),
        ]);
        assert.equal(await text(store, 'exchanges', `x${i}`), `${i}`);
      });
      let torn = 0;
      const watch = (async () => {
        for (let i = 0; i < 20; i += 1) {
          const ours = await keys(store, 'exchanges');
          for (const key of ours) if ((await store.get('deals', key)) === undefined) torn += 1;
        }
      })();
      await Promise.all([...batches, watch]);
      assert.equal(torn, 0);
      assert.equal((await keys(store, 'deals')).length, 101);
      assert.equal(await text(store, 'deals', 'last'), '99');
    });

    test('close waits for what was asked, then every call rejects', async (t) => {
      const store = await opened(t);
      const writes = Array.from({ length: 10 }, (_, i) => store.batch([put('deals', `${i}`, '')]));
      const list = store.list('deals');
      await store.close();
      await Promise.all(writes);
      await assert.rejects(store.get('deals', '1'));
      await assert.rejects(store.batch([]));
      await assert.rejects(store.batch([put('deals', 'a', '')]));
      await assert.rejects(keys(store, 'deals'));
      await assert.rejects(async () => {
        for await (const _ of list);
      });
    });
  });
}
