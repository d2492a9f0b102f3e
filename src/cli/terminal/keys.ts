/**
 * Bytes from a terminal in raw mode → keys. Pure: time is told by the caller, nothing is read here.
 * Guarantees: text that was pasted is one key `paste` and never a command; an escape sequence that nobody knows is
 * swallowed whole; what is kept of an unfinished sequence or paste is bounded; each key carries the epoch in which its
 * first byte came, so that what was typed before a question can be told from the answer.
 */

export interface Key {
  /**
   * A printable character itself (`a`, `A`, `:`, ` ` is `space`), or: enter, escape, tab, shift-tab, backspace, delete,
   * insert, up, down, left, right, home, end, pageup, pagedown, f1…, ctrl-x, alt-x, paste.
   */
  readonly name: string;
  /** What it would add to a text; empty for keys that are no text. */
  readonly text: string;
}

export interface Typed extends Key {
  readonly epoch: number;
}

export interface KeyParser {
  push(chunk: Uint8Array, epoch: number): readonly Typed[];
  /** What is still open when no more has come for a while: a lone escape is the key. */
  flush(): readonly Typed[];
  /** More must come soon, or `flush`. */
  readonly isOpen: boolean;
}

const ESC = '\u001b';
const PASTE_START = `${ESC}[200~`;
const PASTE_END = `${ESC}[201~`;
/** More than a document may have; the rest of a longer paste is dropped. */
const MAX_PASTE = 128 * 1024;
const MAX_SEQUENCE = 64;

const FINAL: Readonly<Record<string, string>> = {
  A: 'up',
  B: 'down',
  C: 'right',
  D: 'left',
  H: 'home',
  F: 'end',
  Z: 'shift-tab',
  P: 'f1',
  Q: 'f2',
  R: 'f3',
  S: 'f4',
};
const NUMBERED: Readonly<Record<string, string>> = {
  1: 'home',
  2: 'insert',
  3: 'delete',
  4: 'end',
  5: 'pageup',
  6: 'pagedown',
  7: 'home',
  8: 'end',
};
const CONTROL: Readonly<Record<string, string>> = {
  '\r': 'enter',
  '\n': 'enter',
  '\t': 'tab',
  '\u007f': 'backspace',
  '\b': 'backspace',
  [ESC]: 'escape',
};

/** An escape sequence at the start of `text`: its length, 0 if it is not complete yet. */
function sequenceLength(text: string): number {
  const kind = text[1];
  if (kind === undefined) return 0;
  if (kind === 'O') return text.length >= 3 ? 3 : 0;
  if (kind !== '[') return 1 + String.fromCodePoint(text.codePointAt(1) ?? 0).length;
  for (let at = 2; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code >= 0x40 && code <= 0x7e) return at + 1;
    // No byte of a sequence: what came so far is nothing, and this begins something else.
    if (code < 0x20 || code > 0x7e) return at;
  }
  return text.length > MAX_SEQUENCE ? text.length : 0;
}

function named(name: string, text = ''): Key {
  return { name, text };
}

function ofSequence(sequence: string): Key | undefined {
  const csi = /^\u001b\[([0-9]*)(?:;([0-9]+))?([A-Za-z~])$/.exec(sequence);
  if (csi !== null) {
    const [, number = '', modifier, final = ''] = csi;
    const name = final === '~' ? NUMBERED[number] : FINAL[final];
    if (name === undefined) return undefined;
    const bits = Number(modifier ?? '1') - 1;
    return named(`${bits & 4 ? 'ctrl-' : ''}${bits & 2 ? 'alt-' : ''}${bits & 1 ? 'shift-' : ''}${name}`);
  }
  if (sequence.startsWith(`${ESC}O`)) {
    const name = FINAL[sequence[2] ?? ''];
    return name === undefined ? undefined : named(name);
  }
  if (sequence.startsWith(`${ESC}[`)) return undefined;
  const rest = ofCharacter(sequence.slice(1));
  return rest === undefined ? undefined : named(`alt-${rest.name}`);
}

function ofCharacter(char: string): Key | undefined {
  const known = CONTROL[char];
  if (known !== undefined) return named(known);
  if (char === ' ') return named('space', ' ');
  const code = char.codePointAt(0) ?? 0;
  if (code === 0) return named('ctrl-space');
  if (code < 0x20) return named(`ctrl-${String.fromCharCode(code + 0x60)}`);
  // C1 and lone surrogates are no text that anyone types.
  if ((code >= 0x80 && code < 0xa0) || (code >= 0xd800 && code < 0xe000)) return undefined;
  return named(char, char);
}

export function createKeyParser(): KeyParser {
  const decoder = new TextDecoder('utf-8');
  let rest = '';
  let restEpoch = 0;
  let paste: { text: string; readonly epoch: number } | undefined;

  function endPaste(text: string): Typed | undefined {
    if (paste === undefined) return undefined;
    const whole = (paste.text + text).slice(0, MAX_PASTE).replace(/\r\n?/g, '\n');
    const { epoch } = paste;
    paste = undefined;
    return whole === '' ? undefined : { name: 'paste', text: whole, epoch };
  }

  /** Takes what is complete off the front of `rest`. */
  function take(epoch: number): Typed[] {
    const keys: Typed[] = [];
    while (rest !== '') {
      if (paste !== undefined) {
        const end = rest.indexOf(PASTE_END);
        if (end === -1) {
          // All but what may be the beginning of the end.
          const keep = Math.min(rest.length, PASTE_END.length - 1);
          if (paste.text.length < MAX_PASTE) paste.text += rest.slice(0, rest.length - keep);
          rest = rest.slice(rest.length - keep);
          return keys;
        }
        const key = endPaste(rest.slice(0, end));
        if (key !== undefined) keys.push(key);
        rest = rest.slice(end + PASTE_END.length);
        restEpoch = epoch;
        continue;
      }
      if (rest[0] === ESC) {
        const length = sequenceLength(rest);
        if (length === 0) return keys;
        const sequence = rest.slice(0, length);
        rest = rest.slice(length);
        if (sequence === PASTE_START) paste = { text: '', epoch: restEpoch };
        else {
          const key = ofSequence(sequence);
          if (key !== undefined) keys.push({ ...key, epoch: restEpoch });
        }
      } else {
        const char = String.fromCodePoint(rest.codePointAt(0) ?? 0);
        rest = rest.slice(char.length);
        const key = ofCharacter(char);
        if (key !== undefined) keys.push({ ...key, epoch: restEpoch });
      }
      restEpoch = epoch;
    }
    return keys;
  }

  return {
    get isOpen() {
      return rest !== '' && paste === undefined;
    },
    push(chunk, epoch) {
      if (rest === '' && paste === undefined) restEpoch = epoch;
      rest += decoder.decode(chunk, { stream: true });
      return take(epoch);
    },
    flush() {
      if (rest === '' || paste !== undefined) return [];
      const isEscape = rest[0] === ESC;
      const epoch = restEpoch;
      // An escape, and what came after it as itself; half a sequence says nothing.
      const after = rest === `${ESC}[` || rest === `${ESC}O` ? rest.slice(1) : '';
      const known = rest === ESC || after !== '';
      rest = '';
      if (!isEscape || !known) return [];
      return [{ name: 'escape', text: '', epoch }, ...(after === '' ? [] : [{ name: after, text: after, epoch }])];
    },
  };
}
