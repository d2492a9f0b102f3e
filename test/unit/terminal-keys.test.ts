/** Bytes of a terminal become keys the same way however they are cut; what is typed too early is nobody's. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createKeyboard, type Handled, type Layer } from '../../src/cli/terminal/keyboard.ts';
import { createKeyParser, type Typed } from '../../src/cli/terminal/keys.ts';

const ESC = '\u001b';
const bytes = (text: string): Buffer => Buffer.from(text);
const names = (keys: readonly Typed[]): string[] =>
  keys.map((key) => (key.name === 'paste' ? `<${key.text}>` : key.name));

/** All keys of `input`, in chunks that end at `cuts`. */
function keysOf(input: Uint8Array, cuts: readonly number[] = []): readonly Typed[] {
  const parser = createKeyParser();
  const ends = [...new Set(cuts.map((cut) => cut % (input.length + 1)))].sort((a, b) => a - b);
  return [0, ...ends].flatMap((from, at) => parser.push(input.subarray(from, ends[at] ?? input.length), 0));
}

for (const [input, expected] of [
  ['aÄ漢🎉', ['a', 'Ä', '漢', '🎉']],
  [' \r\n\t\u007f\b', ['space', 'enter', 'enter', 'tab', 'backspace', 'backspace']],
  ['\u0000\u0001\u0015', ['ctrl-space', 'ctrl-a', 'ctrl-u']],
  [`${ESC}[A${ESC}OB${ESC}[C${ESC}[D${ESC}[Z`, ['up', 'down', 'right', 'left', 'shift-tab']],
  [`${ESC}[5~${ESC}[6~${ESC}[3~${ESC}[1;5C${ESC}[1;2A`, ['pageup', 'pagedown', 'delete', 'ctrl-right', 'shift-up']],
  [`${ESC}a${ESC}${ESC}`, ['alt-a', 'alt-escape']],
  // Nobody's: a report of the mouse, of the focus, of a colour, a sequence with letters that it cannot have.
  [`${ESC}[<0;10;20Mx`, ['x']],
  [`${ESC}[Iy`, ['y']],
  [`${ESC}[38;5;1;2;3mz`, ['z']],
  [`${ESC}[12\u0001`, ['ctrl-a']],
  ['\u0085\u009b', []],
  [`${ESC}[200~rm -rf /\r\nq${ESC}[A${ESC}[201~x`, [`<rm -rf /\nq${ESC}[A>`, 'x']],
  [`${ESC}[200~${ESC}[201~x`, ['x']],
  [`${ESC}[200~${ESC}[200~a${ESC}[201~`, [`<${ESC}[200~a>`]],
] as const) {
  test(`keys of ${JSON.stringify(input)}, whole and cut anywhere`, () => {
    const whole = bytes(input);
    assert.deepEqual(names(keysOf(whole)), expected);
    for (let cut = 0; cut <= whole.length; cut += 1)
      assert.deepEqual(names(keysOf(whole, [cut])), expected, `at ${cut}`);
    const everywhere = Array.from({ length: whole.length }, (_, at) => at);
    assert.deepEqual(names(keysOf(whole, everywhere)), expected);
  });
}

const anyInput = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 4 }),
      fc
        .constantFrom('a', ESC, '[', '[200~', `${ESC}[200~`, `${ESC}[201~`, `${ESC}[A`, ';', '~', '\r', 'é', '漢')
        .map(bytes),
    ),
    { maxLength: 30 },
  )
  .map((parts) => Buffer.concat(parts));

test('any bytes, cut anywhere, are the same keys; none but a paste has a control character in its text', () => {
  fc.assert(
    fc.property(anyInput, fc.array(fc.nat({ max: 200 }), { maxLength: 8 }), (input, cuts) => {
      const whole = keysOf(input);
      assert.deepEqual(keysOf(input, cuts), whole);
      for (const key of whole) if (key.name !== 'paste') assert.doesNotMatch(key.text, /[\u0000-\u001f\u007f-\u009f]/);
    }),
    { numRuns: 2000 },
  );
});

test('a lone escape is the key once nothing follows; half a sequence is nothing', () => {
  for (const [input, expected] of [
    [ESC, ['escape']],
    [`${ESC}[`, ['escape', '[']],
    [`${ESC}O`, ['escape', 'O']],
    [`${ESC}[1;`, []],
  ] as const) {
    const parser = createKeyParser();
    assert.deepEqual(parser.push(bytes(input), 0), []);
    assert.equal(parser.isOpen, true);
    assert.deepEqual(names(parser.flush()), expected);
    assert.equal(parser.isOpen, false);
    assert.deepEqual(names(parser.push(bytes('a'), 0)), ['a']);
  }
});

test('an endless sequence ends, and an endless paste keeps no more than a document may have', () => {
  const parser = createKeyParser();
  assert.deepEqual(parser.push(bytes(`${ESC}[${'1;'.repeat(50)}`), 0), []);
  assert.equal(parser.isOpen, false);
  const paste = createKeyParser();
  assert.deepEqual(paste.push(bytes(`${ESC}[200~`), 0), []);
  const part = bytes('x'.repeat(64 * 1024));
  for (let sent = 0; sent < 32; sent += 1) assert.deepEqual(paste.push(part, 0), []);
  // Text that is being pasted is never taken for keys because it pauses.
  assert.deepEqual(paste.flush(), []);
  const [key, after] = paste.push(bytes(`${ESC}[201~q`), 0);
  assert.equal(key?.name, 'paste');
  assert.equal(key?.text.length, 128 * 1024);
  assert.equal(after?.name, 'q');
});

test('a key belongs to the moment of its first byte, a paste to that of its beginning', () => {
  const parser = createKeyParser();
  parser.push(bytes(`${ESC}[`), 1);
  assert.deepEqual(
    parser.push(bytes('Ab'), 2).map(({ name, epoch }) => [name, epoch]),
    [
      ['up', 1],
      ['b', 2],
    ],
  );
  parser.push(bytes(`${ESC}[200~be`), 3);
  assert.deepEqual(
    parser.push(bytes(`fore${ESC}[201~c`), 4).map(({ text, epoch }) => [text, epoch]),
    [
      ['before', 3],
      ['c', 4],
    ],
  );
});

const atOnce = async (): Promise<void> => {};

function layer(got: string[], more: Partial<Layer> & { readonly does?: Handled } = {}): Layer {
  return {
    isActive: () => true,
    handle(key) {
      got.push(key.name === 'paste' ? `<${key.text}>` : key.name);
      return more.does ?? 'typed';
    },
    ...more,
  };
}

test('the newest active layer that knows a key gets it', () => {
  const keyboard = createKeyboard(atOnce);
  const [below, above]: [string[], string[]] = [[], []];
  let isOpen = true;
  keyboard.add(layer(below));
  const remove = keyboard.add(
    layer(above, {
      isActive: () => isOpen,
      handle(key) {
        if (key.name !== 'a') return 'not mine';
        above.push(key.name);
        return 'typed';
      },
    }),
  );
  keyboard.feed(bytes('ab'));
  isOpen = false;
  keyboard.feed(bytes('a'));
  isOpen = true;
  keyboard.feed(bytes('a'));
  remove();
  keyboard.feed(bytes('a'));
  assert.deepEqual(above, ['a', 'a']);
  assert.deepEqual(below, ['b', 'a', 'a']);
});

test('a key waits until what the one before has done counts', async () => {
  let settle: () => void = () => {};
  const keyboard = createKeyboard(() => new Promise((resolve) => (settle = resolve)));
  const got: string[] = [];
  let does: Handled = 'acted';
  keyboard.add({
    isActive: () => true,
    handle(key) {
      got.push(key.name);
      return does;
    },
  });
  keyboard.feed(bytes('jj'));
  keyboard.feed(bytes('x'));
  assert.deepEqual(got, ['j']);
  settle();
  await new Promise(setImmediate);
  assert.deepEqual(got, ['j', 'j']);
  // Text needs no waiting.
  does = 'typed';
  keyboard.feed(bytes('yz'));
  settle();
  await new Promise(setImmediate);
  assert.deepEqual(got, ['j', 'j', 'x', 'y', 'z']);
});

test('what is typed before a question is drawn and for a moment after is dropped, sequences and pastes that began then too', async () => {
  const keyboard = createKeyboard(atOnce);
  const got: string[] = [];
  keyboard.add(layer(got));
  keyboard.feed(bytes('a'));
  let drawn: () => void = () => {};
  const held = keyboard.hold(new Promise((resolve) => (drawn = resolve)));
  keyboard.feed(bytes('xx\r'));
  drawn();
  await new Promise(setImmediate);
  // Drawn, and still typed on: nobody reads that fast.
  keyboard.feed(bytes(`y${ESC}[200~sign`));
  await held;
  keyboard.feed(bytes(`${ESC}[201~s`));
  assert.deepEqual(got, ['a', 's']);
});

test('keys that wait behind the one that opens a question are not its answer', async () => {
  const got: string[] = [];
  let held: Promise<void> | undefined;
  const keyboard = createKeyboard(atOnce);
  keyboard.add({
    isActive: () => true,
    handle(key) {
      got.push(key.name);
      if (key.name === 'a') held = keyboard.hold(Promise.resolve());
      return 'acted';
    },
  });
  keyboard.feed(bytes('ay\r'));
  await held;
  await new Promise(setImmediate);
  keyboard.feed(bytes('n'));
  await new Promise(setImmediate);
  assert.deepEqual(got, ['a', 'n']);
});

test('a lone escape comes by itself; everybody who watches hears of every byte', async () => {
  const keyboard = createKeyboard(atOnce);
  let heard = 0;
  const stop = keyboard.onActivity(() => {
    heard += 1;
  });
  const first = new Promise<string>((resolve) => {
    keyboard.add({
      isActive: () => true,
      handle(key) {
        resolve(key.name);
        return 'acted';
      },
    });
  });
  keyboard.feed(bytes(ESC));
  assert.equal(await first, 'escape');
  assert.equal(heard, 1);
  stop();
  keyboard.feed(bytes('a'));
  assert.equal(heard, 1);
});
