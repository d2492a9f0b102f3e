/** The border of a question: title, content, in the middle of the screen. */
import { Box, Text } from 'ink';
import type { ReactNode } from 'react';
import { columns } from '../../../lib/text.ts';
import { useSize, useTheme } from '../ui.tsx';
import { shorten } from './line.tsx';

const WIDEST = 76;

/** Columns inside the frame of a modal on this screen. */
export function useModalWidth(): number {
  return Math.min(useSize().columns - 4, WIDEST);
}

export function ModalFrame({ title, children }: { readonly title: string; readonly children: ReactNode }) {
  const theme = useTheme();
  const inner = useModalWidth();
  const heading = shorten(title, inner - 2);
  const rule = '─'.repeat(Math.max(inner - columns(heading), 0));
  return (
    <Box flexDirection="column" width={inner + 4} flexShrink={0}>
      <Text {...theme.strong}>{`┌ ${heading} ${rule}┐`}</Text>
      <Box borderStyle="single" borderTop={false} paddingX={1} flexDirection="column" width={inner + 4}>
        {children}
      </Box>
    </Box>
  );
}
