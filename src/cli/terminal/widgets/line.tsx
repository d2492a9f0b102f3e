/** One row of text: never wraps, never wider than its place. */
import { Box, Text } from 'ink';
import { memo, useLayoutEffect, useState } from 'react';
import { columns } from '../../../lib/text.ts';
import type { Look } from '../theme.ts';
import { useUi } from '../ui.tsx';

const PLAIN: Look = {};

/** Text cut to `width` columns (with `…`), or filled up to them. */
export function fit(text: string, width: number): string {
  const cut = shorten(text, width);
  return cut + ' '.repeat(Math.max(width - columns(cut), 0));
}

export function shorten(text: string, width: number): string {
  if (text.length <= width && columns(text) <= width) return text;
  if (width <= 0) return '';
  let used = 0;
  let shown = '';
  for (const char of text) {
    const more = columns(char);
    if (used + more > width - 1) break;
    used += more;
    shown += char;
  }
  return columns(text) <= width ? text : `${shown}…`;
}

/** `children`: one row, fitted to its place by `fit` or `shorten`. */
export const Line = memo(({ children, look = PLAIN }: { readonly children: string; readonly look?: Look }) => {
  const { lines } = useUi();
  const [sign] = useState(() => lines.take());
  useLayoutEffect(() => () => lines.give(sign), [lines, sign]);
  useLayoutEffect(() => lines.set(sign, { text: children, look }), [lines, sign, children, look]);
  return (
    <Box height={1} flexShrink={0}>
      <Text>{sign}</Text>
    </Box>
  );
});
