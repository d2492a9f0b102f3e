/** Frames as a terminal shows them: only what differs is sent, and what is shown is always the newest frame. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createPainter, type Display, difference } from '../../src/cli/terminal/frame.ts';
import { createLines } from '../../src/cli/terminal/lines.ts';

const ROWS = 5;
const COLUMNS = 20;

/** As much of a terminal as frames use, with wrapping off; anything else that is sent is a failure. */
class Screen {
  readonly cells: string[][] = Array.from({ length: ROWS }, () => Array<string>(COLUMNS).fill('?'));
  private row = 0;
  private column = 0;

  show(output: string): void {
    for (let rest = output; rest !== ''; ) {
      const [sequence, numbers = '', final = ''] = /^\u001b\[([?0-9;]*)([A-Za-z])/.exec(rest) ?? [];
      if (sequence === undefined) {
        assert.notEqual(rest[0], '\u001b', JSON.stringify(rest.slice(0, 20)));
        const char = String.fromCodePoint(rest.codePointAt(0) ?? 0);
        this.put(char);
        rest = rest.slice(char.length);
        continue;
      }
      this.obey(numbers, final);
      rest = rest.slice(sequence.length);
    }
  }

  text(): string[] {
    return this.cells.map((row) => row.join('').trimEnd());
  }

  private put(char: string): void {
    const row = this.cells[this.row] ?? assert.fail(`row ${this.row}`);
    row[this.column] = char;
    this.column = Math.min(this.column + 1, COLUMNS - 1);
  }

  private obey(numbers: string, final: string): void {
    if (final === 'H') {
      [this.row = 0, this.column = 0] = numbers.split(';').map((number) => Number(number) - 1);
    } else if (final === 'K') this.cells[this.row]?.fill(' ', this.column);
    else if (final === 'J') for (const row of this.cells) row.fill(' ');
    else assert.ok(final === 'm' || numbers === '?2026', `${numbers}${final}`);
  }
}

const anyFrame = fc.array(
  fc.oneof(
    fc.constantFrom('', 'same', 'x'.repeat(COLUMNS), '\u001b[1mbold\u001b[0m'),
    fc.string({ unit: fc.constantFrom('a', 'b', ' ', '─'), maxLength: COLUMNS }),
  ),
  { maxLength: ROWS },
);

const shown = (frame: readonly string[]): string[] =>
  Array.from({ length: ROWS }, (_, row) => (frame[row] ?? '').replace(/\u001b\[\d+m/g, '').trimEnd());

test('the difference turns any frame into any other, and anything into the first', () => {
  fc.assert(
    fc.property(fc.array(anyFrame, { minLength: 1, maxLength: 6 }), (frames) => {
      const screen = new Screen();
      let before: readonly string[] | undefined;
      for (const frame of frames) {
        const output = difference(before, frame, ROWS);
        // Nothing is cleared that is not drawn anew.
        if (before !== undefined) assert.ok(!output.includes('\u001b[2J'));
        screen.show(output);
        assert.deepEqual(screen.text(), shown(frame));
        before = frame;
      }
    }),
  );
});

test('the same frame sends nothing, one line sends itself, and nothing is sent below the last row', () => {
  const frame = ['one', 'two', 'three'];
  assert.equal(difference(frame, [...frame], ROWS), '');
  const output = difference(frame, ['one', 'TWO', 'three'], ROWS);
  assert.match(output, /TWO/);
  assert.doesNotMatch(output, /one|three/);
  const tall = difference(undefined, ['1', '2', '3', '4', '5', '6', '7'], ROWS);
  assert.doesNotMatch(tall, /[67]\u001b\[0m|\u001b\[6;1H/);
  // One write, that a terminal shows at once.
  assert.match(tall, /^\u001b\[\?2026h[\s\S]*\u001b\[\?2026l$/);
});

/** A terminal that takes what is written when it is told to. */
function slowDisplay() {
  const writes: string[] = [];
  let taken: (() => void) | undefined;
  let rows = ROWS;
  const display: Display = {
    columns: COLUMNS,
    get rows() {
      return rows;
    },
    write(text, written) {
      assert.equal(taken, undefined, 'one write at a time');
      writes.push(text);
      taken = written;
      return false;
    },
  };
  return {
    display,
    writes,
    take() {
      const done = taken;
      taken = undefined;
      done?.();
    },
    resize(to: number) {
      rows = to;
    },
  };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('a slow terminal gets the newest frame and not all of them; drawn is when it has left', async () => {
  const slow = slowDisplay();
  const painter = createPainter(slow.display, createLines());
  painter.stdout.write('frame 0');
  let isDrawn = false;
  void painter.drawn().then(() => {
    isDrawn = true;
  });
  await turn();
  assert.equal(slow.writes.length, 1);
  for (let frame = 1; frame <= 50; frame += 1) {
    painter.stdout.write(`frame ${frame}`);
    await turn();
  }
  assert.equal(slow.writes.length, 1);
  assert.equal(isDrawn, false);
  slow.take();
  await turn();
  await turn();
  assert.equal(slow.writes.length, 2);
  assert.match(slow.writes[1] ?? '', /frame 50/);
  slow.take();
  await turn();
  assert.equal(isDrawn, true);
  // Nothing new: drawn at once, and nothing is sent.
  await painter.drawn();
  assert.equal(slow.writes.length, 2);
});

test('frames of one turn are one write; the text of a row is put in its place', async () => {
  const slow = slowDisplay();
  const lines = createLines();
  const painter = createPainter(slow.display, lines);
  const sign = lines.take();
  lines.set(sign, { text: 'a row', look: { bold: true } });
  painter.stdout.write('first');
  painter.stdout.write(` ${sign}\nsecond`);
  await turn();
  assert.equal(slow.writes.length, 1);
  const screen = new Screen();
  screen.show(slow.writes[0] ?? '');
  assert.deepEqual(screen.text().slice(0, 2), [' a row', 'second']);
  slow.take();
  // Its text alone changes: one line is sent.
  lines.set(sign, { text: 'another', look: {} });
  await turn();
  screen.show(slow.writes[1] ?? '');
  assert.deepEqual(screen.text().slice(0, 2), [' another', 'second']);
  assert.doesNotMatch(slow.writes[1] ?? '', /second/);
});

test('while it is paused nothing is written; afterwards everything is, and after forget too', async () => {
  const slow = slowDisplay();
  const painter = createPainter(slow.display, createLines());
  painter.stdout.write('before');
  await turn();
  slow.take();
  painter.pause();
  painter.stdout.write('meanwhile');
  await turn();
  assert.equal(slow.writes.length, 1);
  painter.resume();
  await turn();
  assert.match(slow.writes[1] ?? '', /\u001b\[2J[\s\S]*meanwhile/);
  slow.take();
  let wasTold = false;
  painter.stdout.once('resize', () => {
    wasTold = true;
  });
  slow.resize(3);
  painter.forget();
  painter.resized();
  assert.equal(wasTold, true);
  await turn();
  assert.match(slow.writes[2] ?? '', /\u001b\[2J[\s\S]*meanwhile/);
});
