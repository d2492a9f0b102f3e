/** One row of text: never wraps, never wider than its place. */
import { Box, Text } from 'ink';
import type { ReactNode } from 'react';
import { columns } from '../../../lib/text.ts';
import type { Look } from '../theme.ts';

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

export function Line({ children, look = {} }: { readonly children: ReactNode; readonly look?: Look }) {
  return (
    <Box height={1} flexShrink={0}>
      <Text wrap="truncate-end" {...look}>
        {children}
      </Text>
    </Box>
  );
}
