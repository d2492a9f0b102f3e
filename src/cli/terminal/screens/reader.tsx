/**
 * Reading: the exact bytes, numbered, nothing wrapped. A line that goes on to the right has a mark and is scrolled to. What
 * may be signed is offered for signing only once every column of every line has been on the screen.
 */
import { Box } from 'ink';
import { type ReactElement, useEffect, useState } from 'react';
import * as voice from '../../voice.ts';
import {
  cutColumns,
  isAllSeen,
  nextUnseen,
  nothingSeen,
  type ReadableText,
  readable,
  seeWindow,
  unseen,
} from '../model.ts';
import type { Screen } from '../navigation.ts';
import { type Binding, useAttempt, useIsActive, useKeys, useSize, useTheme, useUi } from '../ui.tsx';
import { fit, Line } from '../widgets/line.tsx';
import { numbered } from '../widgets/list.tsx';

const GUTTER = 6;
/** Room for the terms beside the text without cutting usual lines of it. */
const WIDE = 116;
const SIDE = 36;

interface ReaderProps {
  readonly text: ReadableText;
  readonly side: readonly string[];
  /** What `s` does once all was seen; undefined: only reading. */
  readonly verb?: string;
  readonly onSign?: () => void;
  readonly onLeave?: () => void;
  readonly turns?: Turns;
}

/** Other versions of the same text, each a screen in place of this one. */
export interface Turns {
  readonly older?: () => Promise<Screen>;
  readonly newer?: () => Promise<Screen>;
}

function Reader({ text, side, verb, onSign, onLeave, turns = {} }: ReaderProps): ReactElement {
  const { navigation, drawn } = useUi();
  const attempt = useAttempt();
  const theme = useTheme();
  const isActive = useIsActive();
  const { columns: width, rows } = useSize();
  const isWide = width >= WIDE && side.length > 0;
  const textWidth = width - GUTTER - 1 - (isWide ? SIDE : 0);
  const height = rows - 1;
  const [top, setTop] = useState(0);
  const [left, setLeft] = useState(0);
  const [shows, setShows] = useState<'text' | 'terms'>('text');
  const [seen, setSeen] = useState(() => nothingSeen(text));
  useEffect(() => {
    if (!isActive || shows !== 'text') return undefined;
    // A page that was passed by before it was drawn has not been seen.
    let isThere = true;
    void drawn().then(() => {
      if (isThere) setSeen((before) => seeWindow(before, text, top, height, left, textWidth));
    });
    return () => {
      isThere = false;
    };
  }, [drawn, isActive, shows, text, top, height, left, textWidth]);
  const most = Math.max(0, text.lines.length - height);
  const widest = Math.max(0, ...text.widths);
  const by = (lines: number) => setTop((line) => Math.max(0, Math.min(line + lines, most)));
  const sideways = (columns: number) =>
    setLeft((column) => Math.max(0, Math.min(column + columns, Math.max(0, widest - textWidth))));
  /** Page by page down, then to what lies to the right of it: who goes on with one key has seen it all. */
  const goOn = () => {
    const next = verb === undefined || (left === 0 && top < most) ? undefined : nextUnseen(seen, text);
    if (next === undefined) return by(height);
    setTop(Math.min(next.line, most));
    setLeft(Math.min(next.column, Math.max(0, widest - textWidth)));
  };
  const maySign = verb !== undefined && text.isExact && isAllSeen(seen, text);
  const leave = () => {
    navigation.pop();
    onLeave?.();
  };
  const goesRight =
    shows === 'text' && text.widths.slice(top, top + height).some((columns) => columns > left + textWidth);
  const bindings: Binding[] = [
    {
      keys: ['space', 'pagedown', 'n'],
      label: 'next page',
      does: 'the next page, or what was not seen to the right',
      run: goOn,
    },
    { keys: ['b', 'pageup', 'p'], label: 'back', does: 'the page before', run: () => by(-height) },
    { keys: ['down', 'j'], does: 'a line on', run: () => by(1) },
    { keys: ['up', 'k'], does: 'a line back', run: () => by(-1) },
    {
      keys: ['right'],
      ...(goesRight ? { label: 'right' } : {}),
      does: 'to the right',
      run: () => sideways(Math.max(8, textWidth - 8)),
    },
    { keys: ['left'], does: 'to the left', run: () => sideways(-Math.max(8, textWidth - 8)) },
    { keys: ['escape', 'q'], label: 'leave', does: 'leave', run: leave },
  ];
  if (!isWide && side.length > 0)
    bindings.push({
      keys: ['t'],
      label: 'terms',
      does: 'the terms that a machine acts on, or the text again',
      run: () => setShows(shows === 'text' ? 'terms' : 'text'),
    });
  const turn = (to: () => Promise<Screen>) =>
    void attempt(async () => {
      const here = navigation.place.get().stack.at(-1)?.key;
      const screen = await to();
      // Unless the person has left meanwhile.
      if (navigation.place.get().stack.at(-1)?.key === here) navigation.replace(screen);
    });
  const { older, newer } = turns;
  if (older !== undefined)
    bindings.push({ keys: ['['], label: 'older', does: 'the version before', run: () => turn(older) });
  if (newer !== undefined)
    bindings.push({ keys: [']'], label: 'newer', does: 'the version after', run: () => turn(newer) });
  if (maySign && onSign !== undefined)
    bindings.unshift({ keys: ['s'], label: verb, does: `${verb} this text`, run: onSign });
  useKeys(bindings);
  const page = Math.floor((top + height - 1) / height) + 1;
  const pages = Math.max(1, Math.ceil(text.lines.length / height));
  const parts = unseen(seen, text);
  const state = [
    `page ${Math.min(page, pages)} of ${pages}`,
    ...(left > 0 ? [`from column ${left + 1}`] : []),
    ...(verb === undefined || maySign ? [] : [`${parts} lines not wholly seen`]),
    ...(text.isExact ? [] : ['this text has characters that cannot be shown: it cannot be signed here']),
  ].join(' · ');
  const shown = shows === 'text' ? text.lines.slice(top, top + height) : side.slice(0, height);
  return (
    <Box flexDirection="column">
      <Line look={theme.faint}>{fit(state, width)}</Line>
      {shown.map(numbered(shows === 'text' ? top : 0)).map(({ row, line }, at) => {
        if (shows === 'terms') return <Line key={row}>{fit(line, width)}</Line>;
        const goesOn = (text.widths[row] ?? 0) > left + textWidth;
        const cut = fit(cutColumns(line, left, textWidth), textWidth) + (goesOn ? '→' : ' ');
        const beside = isWide ? `│ ${fit(side[at] ?? '', SIDE - 3)}` : '';
        return <Line key={row}>{`${String(row + 1).padStart(GUTTER - 2)}│ ${cut}${beside}`}</Line>;
      })}
    </Box>
  );
}

/** The front matter's keys and values, one a line: what a machine acts on. */
export function termsOf(text: string): string[] {
  if (!text.startsWith('+++\n')) return [];
  const end = text.indexOf('\n+++\n', 3);
  return end === -1
    ? []
    : text
        .slice(4, end)
        .split('\n')
        .map((line) => voice.peer(line, 200));
}

export function readerScreen(title: string, text: string, turns: Turns = {}): Screen {
  return {
    title,
    help: 'The exact bytes of a text.',
    element: <Reader text={readable(text)} side={termsOf(text)} turns={turns} />,
  };
}

/** Resolves once: true when the person wants to sign what was read to its end, false when they leave. */
export function readToSign(
  title: string,
  text: string,
  verb: string,
): { readonly screen: Screen; readonly wants: Promise<boolean> } {
  let decide: (wants: boolean) => void = () => {};
  const wants = new Promise<boolean>((resolve) => {
    decide = resolve;
  });
  const element = (
    <Reader
      text={readable(text)}
      side={termsOf(text)}
      verb={verb}
      onSign={() => decide(true)}
      onLeave={() => decide(false)}
    />
  );
  return {
    screen: { title, element, help: 'Read to the end, then sign or leave. Nothing is signed before the question.' },
    wants,
  };
}
