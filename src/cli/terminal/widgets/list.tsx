/** A list of rows, of which only those that fit are drawn; the selected one is inverse and has a mark. */
import { Box } from 'ink';
import { type ReactNode, useEffect, useRef, useState } from 'react';
import { useKept, useKeys, useTheme } from '../ui.tsx';
import { fit, Line } from './line.tsx';

/** The first row that is drawn, so that the selected one is seen: what was drawn `before`, moved as little as needed. */
export function windowStart(before: number, selected: number, count: number, height: number): number {
  const start = Math.max(Math.min(before, selected), selected - height + 1);
  return Math.max(0, Math.min(start, count - height));
}

/** Where the item is that was `index` in the list before; in its place if it is gone. `id` undefined: nobody knows yet. */
export function indexOfSame<T>(
  items: readonly T[],
  index: number,
  id: string | undefined,
  idOf: (item: T) => string,
): number {
  const there = items[index];
  if (id !== undefined && (there === undefined || idOf(there) !== id)) {
    const found = items.findIndex((item) => idOf(item) === id);
    if (found !== -1) return found;
  }
  return Math.min(index, Math.max(items.length - 1, 0));
}

const noId = (): undefined => undefined;

/**
 * Which of `items` is selected, kept under `key`; a list that became shorter has its last one selected. With `idOf` it is the
 * item that stays selected and not the row: what a key does to it never falls on another because the list has moved.
 */
export function useSelected<T>(
  key: string,
  items: readonly T[],
  idOf: (item: T) => string | undefined = noId,
): { readonly at: number; readonly item: T | undefined; readonly select: (index: number) => void } {
  const [selected, keep] = useKept<{ readonly index: number; readonly id: string | undefined }>(key, {
    index: 0,
    id: undefined,
  });
  const at = indexOfSame(items, selected.index, selected.id, (item) => idOf(item) ?? '');
  const item = items[at];
  const id = item === undefined ? selected.id : idOf(item);
  useEffect(() => {
    if (at !== selected.index || id !== selected.id) keep({ index: at, id });
  });
  const select = (index: number) => {
    const next = items[index];
    keep({ index, id: next === undefined ? undefined : idOf(next) });
  };
  return { at, item, select };
}

interface ListProps {
  readonly count: number;
  readonly selected: number;
  readonly height: number;
  readonly width: number;
  readonly row: (index: number) => string;
  readonly onSelect: (index: number) => void;
  readonly empty: string;
}

export function List({ count, selected, height, width, row, onSelect, empty }: ListProps): ReactNode {
  const theme = useTheme();
  const first = useRef(0);
  const move = (to: number) => onSelect(Math.max(0, Math.min(to, count - 1)));
  useKeys([
    { keys: ['down', 'j'], does: 'the next row', run: () => move(selected + 1) },
    { keys: ['up', 'k'], does: 'the row before', run: () => move(selected - 1) },
    { keys: ['pagedown', 'ctrl-f'], does: 'a page on', run: () => move(selected + height - 1) },
    { keys: ['pageup', 'ctrl-b'], does: 'a page back', run: () => move(selected - height + 1) },
    { keys: ['home', 'g'], does: 'the first row', run: () => move(0) },
    { keys: ['end', 'G'], does: 'the last row', run: () => move(count - 1) },
  ]);
  if (count === 0) return <Line look={theme.faint}>{`  ${empty}`}</Line>;
  const start = windowStart(first.current, selected, count, height);
  first.current = start;
  const rows = Array.from({ length: Math.min(height, count - start) }, (_, at) => start + at);
  return (
    <Box flexDirection="column" height={height} flexShrink={0}>
      {rows.map((index) => (
        <Line key={index} {...(index === selected ? { look: theme.selected } : {})}>
          {fit(`${index === selected ? '▸' : ' '} ${row(index)}`, width)}
        </Line>
      ))}
    </Box>
  );
}

/** Lines that are more than fit, scrolled by keys. */
export function Scroll({
  lines,
  height,
  width,
}: {
  readonly lines: readonly string[];
  readonly height: number;
  readonly width: number;
}): ReactNode {
  const [top, setTop] = useKeptTop(lines.length, height);
  useKeys([
    { keys: ['down', 'j'], does: 'a line on', run: () => setTop(top + 1) },
    { keys: ['up', 'k'], does: 'a line back', run: () => setTop(top - 1) },
    { keys: ['pagedown', 'space'], does: 'a page on', run: () => setTop(top + height - 1) },
    { keys: ['pageup'], does: 'a page back', run: () => setTop(top - height + 1) },
  ]);
  return (
    <Box flexDirection="column" height={height} flexShrink={0}>
      {lines
        .slice(top, top + height)
        .map(numbered(top))
        .map(({ row, line }) => (
          <Line key={row}>{fit(line, width)}</Line>
        ))}
    </Box>
  );
}

/** Rows of a screen with their places in the text as keys. */
export const numbered =
  (first: number) =>
  (line: string, at: number): { readonly row: number; readonly line: string } => ({ row: first + at, line });

function useKeptTop(count: number, height: number): [number, (to: number) => void] {
  const [top, setTop] = useState(0);
  const most = Math.max(0, count - height);
  return [Math.min(top, most), (to) => setTop(Math.max(0, Math.min(to, most)))];
}
