/**
 * The border of a question, in the middle of the screen. Its keys are shown once they count: what is typed before is
 * dropped, and a person should see that it is too early.
 */
import { Box } from 'ink';
import { type ReactNode, useEffect, useState } from 'react';
import { columns } from '../../../lib/text.ts';
import type { Look } from '../theme.ts';
import { useIsActive, useKeys, useSize, useTheme } from '../ui.tsx';
import { fit, Line, shorten } from './line.tsx';
import { numbered } from './list.tsx';

const WIDEST = 76;

/** Columns inside the frame of a modal on this screen. */
export function useModalWidth(): number {
  return Math.min(useSize().columns - 4, WIDEST);
}

export function ModalLine({ children, look }: { readonly children: string; readonly look?: Look }) {
  const inner = useModalWidth();
  return <Line {...(look === undefined ? {} : { look })}>{`│ ${fit(children, inner)} │`}</Line>;
}

export function ModalLines({ lines }: { readonly lines: readonly string[] }) {
  return (
    <>
      {lines.map(numbered(0)).map(({ row, line }) => (
        <ModalLine key={row}>{line}</ModalLine>
      ))}
    </>
  );
}

/** Rows of a modal that are neither its lines nor a border: a problem, a field, the keys. */
const OTHER_ROWS = 5;

/** Lines of which as many are shown as fit, and the keys that show the others. `isWhole`: the last one has been shown. */
export function useModalScroll(lines: readonly string[]): {
  readonly shown: readonly string[];
  readonly isWhole: boolean;
} {
  const space = Math.max(3, useSize().rows - OTHER_ROWS);
  const isLong = lines.length > space;
  // One row says that there is more.
  const room = isLong ? space - 1 : space;
  const most = Math.max(0, lines.length - room);
  const [top, setTop] = useState(0);
  const [far, setFar] = useState(0);
  useEffect(() => setFar((furthest) => Math.max(furthest, top)), [top]);
  const by = (rows: number) => setTop((before) => Math.max(0, Math.min(before + rows, most)));
  useKeys([
    { keys: ['down', 'pagedown'], run: () => by(room) },
    { keys: ['up', 'pageup'], run: () => by(-room) },
  ]);
  if (!isLong) return { shown: lines, isWhole: true };
  const from = Math.min(top, most);
  const more = from < most ? `↓ ${most - from} more lines` : '↑ the lines before';
  return { shown: [...lines.slice(from, from + room), more], isWhole: far >= most };
}

export function ModalKeys({ children }: { readonly children: string }) {
  const theme = useTheme();
  return <ModalLine look={theme.strong}>{useIsActive() ? children : '…'}</ModalLine>;
}

export function ModalFrame({ title, children }: { readonly title: string; readonly children: ReactNode }) {
  const theme = useTheme();
  const { columns: width } = useSize();
  const inner = useModalWidth();
  const heading = shorten(title, inner - 2);
  const rule = '─'.repeat(Math.max(inner - columns(heading), 0));
  return (
    <Box flexDirection="column" flexShrink={0} marginLeft={Math.max(0, Math.floor((width - inner - 4) / 2))}>
      <Line look={theme.strong}>{`┌ ${heading} ${rule}┐`}</Line>
      {children}
      <Line>{`└${'─'.repeat(inner + 2)}┘`}</Line>
    </Box>
  );
}
