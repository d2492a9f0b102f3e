/**
 * The border of a question, in the middle of the screen. Its keys are shown once they count: what is typed before is
 * dropped, and a person should see that it is too early.
 */
import { Box } from 'ink';
import type { ReactNode } from 'react';
import { columns } from '../../../lib/text.ts';
import type { Look } from '../theme.ts';
import { useIsActive, useSize, useTheme } from '../ui.tsx';
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
