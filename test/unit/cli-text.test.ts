import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { changesBetween, formatChanges } from '../../src/cli/diff.ts';
import { createOutput, jsonLine, wantsColor } from '../../src/cli/output.ts';
import { layOut, paginate } from '../../src/cli/reader.ts';
import { FINAL_STATES, parseStates, parseTimeoutMs } from '../../src/cli/times.ts';
import * as voice from '../../src/cli/voice.ts';
import { homePaths } from '../../src/lib/paths.ts';
import { DEAL_STATES, type DealResult } from '../../src/rpc/agent.ts';

const plain = createOutput({ json: false, color: 'never' });
/** What could steer a terminal: C0 but line feed, DEL, C1, bidi controls, zero width. */
const STEERS = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/;
const hostile = fc.string({ unit: 'binary', maxLength: 60 });

function dealWith(text: string): DealResult {
  return {
    deal: 'k7q2m3xd9abc',
    kind: 'contract' as const,
    references: [],
    title: text,
    state: 'offered',
    with: text,
    verified: false,
    version: 1,
    document: 'ab'.repeat(32),
    waitsFor: 'you',
    until: '2026-11-27T12:00:00Z',
    updated: '2026-11-20T12:00:00Z',
    arbiter: { contact: null, name: text, fingerprint: 'cd'.repeat(32), mode: 'affidavit', card: 'fit1' },
    check: 'none',
    transfer: null,
    offeredBy: 'them',
    versions: [],
    transactions: [{ id: 't', parent: null, kind: 'message', by: 'them', at: '2026-11-20T12:00:00Z', text }],
    exchange: null,
    via: null,
    reason: text,
  };
}

test('property: whatever a peer writes, no listing steers the terminal or gains a line', () => {
  fc.assert(
    fc.property(hostile, (text) => {
      const deal = dealWith(text);
      const empty = dealWith('');
      const lines = [...voice.deal(deal), ...voice.deals([deal]), voice.outcome(deal, 'peer', 1200)];
      assert.doesNotMatch(lines.join('\n'), STEERS);
      for (const line of lines) assert.ok(!line.includes('\n'));
      assert.equal(voice.deals([deal]).length, voice.deals([empty]).length);
      for (const line of layOut(text, 80)) assert.doesNotMatch(line, STEERS);
      const changed = formatChanges(plain, changesBetween(text, `${text}x`));
      assert.doesNotMatch(changed.join('\n'), STEERS);
    }),
  );
});

test('property: a JSON line is one line of safe characters with the same value', () => {
  fc.assert(
    fc.property(hostile, (text) => {
      const line = jsonLine({ text });
      assert.equal(line.indexOf('\n'), line.length - 1);
      assert.doesNotMatch(line, /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/);
      assert.equal(JSON.parse(line).text, text);
    }),
  );
});

test('property: the reader shows every character of a text that may be signed, on rows that fit', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'Ω', '1', ' ', '\n', '漢'), minLength: 1, maxLength: 500 });
  fc.assert(
    fc.property(text, fc.integer({ min: 40, max: 120 }), (shown, columns) => {
      const rows = layOut(shown, columns);
      for (const row of rows) assert.ok(Array.from(row).length <= columns);
      const squeeze = (all: string) => all.replaceAll(/\s/g, '');
      assert.equal(squeeze(rows.map((row) => row.slice(7)).join('')), squeeze(shown));
    }),
  );
});

test('pages hold all rows in order', () => {
  const rows = Array.from({ length: 23 }, (_, at) => String(at));
  assert.deepEqual(paginate(rows, 10).flat(), rows);
  assert.deepEqual(
    paginate(rows, 10).map((page) => page.length),
    [10, 10, 3],
  );
  assert.equal(paginate([], 10).length, 1);
});

test('short ids tell apart, and have at least four characters', () => {
  const short = voice.shortIds(['k7q2aaaaaaaa', 'k7q2aabbbbbb', 'm3xdcccccccc']);
  assert.deepEqual([...short.values()], ['k7q2aaa', 'k7q2aab', 'm3xd']);
  const many = Array.from({ length: 10_000 }, (_, at) => at.toString(36).padStart(12, '0'));
  const values = [...voice.shortIds(many).values()];
  assert.equal(new Set(values).size, many.length);
});

test('tables align and end without spaces', () => {
  assert.deepEqual(
    voice.table(
      ['A', 'LONG', 'C'],
      [
        ['aaa', 'b', ''],
        ['a', 'b', 'c'],
      ],
    ),
    ['A    LONG  C', 'aaa  b', 'a    b     c'],
  );
});

test('changed words are marked without colour, far away lines are left out', () => {
  const before = `one\ntwo\nthree\nfour\nfive\nsix\nseven\neight blue end\n`;
  const lines = formatChanges(plain, changesBetween(before, before.replace('blue', 'red').replace('one', 'ONE')));
  assert.deepEqual(lines, [
    '~ [-one-]{+ONE+}',
    '  two',
    '  three',
    '  ⋯',
    '  six',
    '  seven',
    '~ eight [-blue-]{+red+} end',
  ]);
  assert.deepEqual(formatChanges(plain, changesBetween(before, before)), []);
});

test('timeouts and states', () => {
  assert.equal(parseTimeoutMs('60'), 60_000);
  assert.equal(parseTimeoutMs('0.5'), 500);
  assert.equal(parseTimeoutMs('2m'), 120_000);
  assert.ok(parseTimeoutMs(undefined) > 9 * 365 * 86_400_000);
  for (const bad of ['', '-1', '1e3', '1 s', 'soon', '5x']) assert.throws(() => parseTimeoutMs(bad), { code: 'usage' });
  assert.deepEqual(parseStates('contracted, aborted'), ['contracted', 'aborted']);
  for (const bad of ['', 'contracted,', 'done']) assert.throws(() => parseStates(bad), { code: 'usage' });
  assert.deepEqual(
    DEAL_STATES.filter((state) => !(FINAL_STATES as readonly string[]).includes(state)),
    ['offered', 'signing'],
  );
});

test('colour: the option, then NO_COLOR, CLICOLOR_FORCE, CLICOLOR, TERM, the terminal', () => {
  assert.equal(wantsColor('always', { NO_COLOR: '1' }, false), true);
  assert.equal(wantsColor('never', { CLICOLOR_FORCE: '1' }, true), false);
  assert.equal(wantsColor('auto', { NO_COLOR: '1', CLICOLOR_FORCE: '1' }, true), false);
  assert.equal(wantsColor('auto', { NO_COLOR: '' }, true), true);
  assert.equal(wantsColor('auto', { CLICOLOR_FORCE: '1' }, false), true);
  assert.equal(wantsColor('auto', { CLICOLOR_FORCE: '0' }, false), false);
  assert.equal(wantsColor('auto', { CLICOLOR: '0' }, true), false);
  assert.equal(wantsColor('auto', { TERM: 'dumb' }, true), false);
});

test('paths: FIT_HOME overrides all, XDG otherwise, and the socket always fits', () => {
  const home = homePaths({ FIT_HOME: '/srv/elm', XDG_CONFIG_HOME: '/else' });
  assert.equal(home.config, '/srv/elm/fit.toml');
  assert.equal(home.socket, '/srv/elm/run/fitd.sock');
  const user = homePaths({ HOME: '/home/elm', XDG_RUNTIME_DIR: '/run/user/7', XDG_DATA_HOME: 'relative' });
  assert.equal(user.home, '/home/elm/.local/share/fit');
  assert.equal(user.config, '/home/elm/.config/fit/fit.toml');
  assert.equal(user.socket, '/run/user/7/fit/fitd.sock');
  const deep = `/${'deep/'.repeat(40)}home`;
  const sockets = [{}, { XDG_RUNTIME_DIR: '/run/user/7' }, { XDG_RUNTIME_DIR: deep }].map(
    (more) => homePaths({ FIT_HOME: deep, ...more }).socket,
  );
  for (const socket of sockets) assert.ok(Buffer.byteLength(socket) < 104, socket);
  assert.match(sockets[1] ?? '', /^\/run\/user\/7\/fit\//);
  assert.notEqual(homePaths({ FIT_HOME: `${deep}2` }).socket, sockets[0]);
});
