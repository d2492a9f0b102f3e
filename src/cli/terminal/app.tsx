/** The frame around every screen: who you are, where you are, what the keys do; over it the one question that is open. */
import { Box } from 'ink';
import { type ReactElement, useEffect, useRef, useState } from 'react';
import * as voice from '../voice.ts';
import { decide } from './flows.ts';
import { ask } from './modals/ask.tsx';
import { askAboutRequest } from './modals/sign.tsx';
import { rowsOf } from './model.ts';
import type { Placed } from './navigation.ts';
import {
  ActiveProvider,
  AreaProvider,
  useAttempt,
  useKeys,
  useSize,
  useSnapshot,
  useStore,
  useTheme,
  useUi,
  wordsOf,
} from './ui.tsx';
import { fit, Line, shorten } from './widgets/line.tsx';
import { numbered } from './widgets/list.tsx';

/** Header, rule, rule, notice, keys. */
const FRAME = 5;
const MIN = { columns: 60, rows: 16 };

const clock = (): string => {
  const now = new Date();
  return [now.getHours(), now.getMinutes()].map((part) => String(part).padStart(2, '0')).join(':');
};

function Header({ width }: { readonly width: number }): ReactElement {
  const theme = useTheme();
  const { status, connection, contacts, requests, isLocked, isProven } = useSnapshot();
  const [time, setTime] = useState(clock);
  useEffect(() => {
    const timer = setInterval(() => setTime(clock()), 5000);
    return () => clearInterval(timer);
  }, []);
  const waits = requests.filter((one) => !one.held).length;
  const state =
    connection === 'away'
      ? '○ daemon is away, reconnecting'
      : connection === 'connecting'
        ? '…'
        : isLocked
          ? '○ locked'
          : '● online';
  const left = ` fit  ${voice.peer(status?.name ?? '', 24)} ${state}  ${contacts.filter((one) => one.online).length} of ${contacts.length} contacts`;
  const right = `${waits > 0 ? `${waits} wait for you  ` : ''}${isProven ? 'may sign  ' : ''}${time}  ? help `;
  return <Line look={theme.strong}>{fit(shorten(left, width - right.length), width - right.length) + right}</Line>;
}

function KeyLine({ width }: { readonly width: number }): ReactElement {
  const theme = useTheme();
  const { bound, navigation } = useUi();
  const all = useStore(bound);
  const { stack } = useStore(navigation.place);
  const NAMES: Readonly<Record<string, string>> = { enter: '↵', escape: 'esc', space: 'space', right: '→' };
  const labels = all
    .filter((one) => one.isActive)
    .flatMap((one) => one.read())
    .flatMap((one) => (one.label === undefined ? [] : [`${NAMES[one.keys[0] ?? ''] ?? one.keys[0]} ${one.label}`]));
  const ends = stack.length === 1 ? ['tab next', 'q quit'] : [];
  return <Line look={theme.faint}>{fit(` ${[...labels, ...ends].join(' · ')}`, width)}</Line>;
}

const KEY_COLUMNS = 25;

function keyRows(keys: string, does: string, width: number): string[] {
  return rowsOf(does, width - KEY_COLUMNS).map((row, at) => (at === 0 ? `  ${keys}` : '').padEnd(KEY_COLUMNS) + row);
}

/** Every key of the screen below, and those that always work. */
function Help({ done }: { readonly done: () => void }): ReactElement {
  const { navigation, bound } = useUi();
  const theme = useTheme();
  const { columns: width, rows } = useSize();
  const { top, stack } = useStore(navigation.place);
  const [from, setFrom] = useState(0);
  const screen = stack.at(-1);
  const own = bound
    .get()
    // What was opened last lies on top.
    .toReversed()
    .flatMap((one) => one.read())
    .flatMap((one) => (one.does === undefined ? [] : keyRows(one.keys.join(', '), one.does, width)));
  const lines = [
    ...rowsOf(`${screen?.title ?? ''}: ${screen?.help ?? ''}`, width),
    '',
    ...new Set(own),
    '',
    `  ${'tab, shift-tab, 1…'.padEnd(22)} ${navigation.tops.map((one, at) => `${at + 1} ${one.title}`).join(' · ')}`,
    `  ${'?'.padEnd(22)} this help`,
    `  ${'u'.padEnd(22)} unlock the keys`,
    `  ${'ctrl-z'.padEnd(22)} back to the shell until fg`,
    `  ${'q'.padEnd(22)} leave (on ${navigation.tops[top]?.title ?? ''}); ctrl-c at any time`,
  ];
  useKeys([
    {
      keys: ['down', 'j', 'space', 'pagedown'],
      run: () => setFrom(Math.min(from + rows - 1, Math.max(0, lines.length - rows))),
    },
    { keys: ['up', 'k', 'pageup'], run: () => setFrom(Math.max(0, from - rows + 1)) },
    { keys: ['escape', 'q', '?', 'enter'], run: done },
  ]);
  return (
    <Box flexDirection="column" width={width}>
      {lines
        .slice(from, from + rows)
        .map(numbered(from))
        .map(({ row, line }) => (
          <Line key={row} {...(row === 0 ? { look: theme.strong } : {})}>
            {fit(line, width)}
          </Line>
        ))}
    </Box>
  );
}

/** Requests from programs become a question, the oldest first, each once; the rest is on the screen of requests. */
function useIncoming(): void {
  const ui = useUi();
  const attempt = useAttempt();
  const { requests } = useSnapshot();
  const shown = useRef(new Set<string>());
  const busy = useRef(false);
  useEffect(() => {
    const next = requests.find((one) => !one.held && !shown.current.has(one.id));
    if (next === undefined || busy.current) return;
    shown.current.add(next.id);
    busy.current = true;
    void attempt(async () => {
      const what = await askAboutRequest(ui, next);
      if (what === 'refuse') await ui.session.agent.approveRefuse({ request: next.id });
      else if (what === 'read') {
        const signed = await decide(ui, next, 'sign');
        ui.notice.set({
          kind: signed ? 'done' : 'failed',
          text: signed ? 'signed' : 'nothing was signed; the request waits',
        });
      }
    }).finally(() => {
      busy.current = false;
      // The next one, if it came meanwhile.
      ui.session.refresh();
    });
  }, [requests, ui, attempt]);
}

function Screens({ stack, isActive }: { readonly stack: readonly Placed[]; readonly isActive: boolean }): ReactElement {
  const [seen] = stack.slice(-1);
  return (
    <>
      {stack.map((screen) => (
        <Box key={screen.key} display={screen === seen ? 'flex' : 'none'} flexDirection="column">
          <ActiveProvider value={isActive && screen === seen}>{screen.element}</ActiveProvider>
        </Box>
      ))}
    </>
  );
}

export function App(): ReactElement {
  const ui = useUi();
  const { navigation, modals, session, notice: notices } = ui;
  const theme = useTheme();
  const size = useStore(ui.size);
  const { top, stack } = useStore(navigation.place);
  const modal = useStore(modals.open);
  const notice = useStore(notices);
  const { problem, isLocked, isComplete, connection } = useSnapshot();
  const [helps, setHelps] = useState(false);
  useIncoming();
  const unlock = async () => {
    for (let problem: string | undefined; ; ) {
      const passphrase = await ask(ui, 'Unlock the keys', 'passphrase', {
        secret: true,
        lines: problem === undefined ? [] : [problem],
      });
      if (passphrase === undefined || passphrase === '') return;
      try {
        return await session.unlock(passphrase);
      } catch (error) {
        problem = wordsOf(error);
      }
    }
  };
  const asked = useRef(false);
  useEffect(() => {
    if (!isComplete || !isLocked || connection !== 'online' || asked.current) return;
    asked.current = true;
    void unlock();
  });
  const isTop = stack.length === 1;
  const { columns: width, rows } = size;
  const area = { columns: width, rows: Math.max(rows - FRAME, 1) };
  if (width < MIN.columns || rows < MIN.rows) {
    const text = `the terminal is too small: at least ${MIN.columns} by ${MIN.rows}`;
    return <Line>{shorten(text, width)}</Line>;
  }
  const said = notice?.text ?? problem ?? '';
  return (
    <AreaProvider value={area}>
      <ActiveProvider value={modal === undefined && !helps}>
        <Global isTop={isTop} onHelp={() => setHelps(true)} onUnlock={() => void unlock()} />
      </ActiveProvider>
      <Box flexDirection="column" width={width} height={rows}>
        <Header width={width} />
        <Line look={theme.faint}>{'─'.repeat(width)}</Line>
        <Box height={area.rows} flexDirection="column">
          {modal === undefined ? null : (
            <Box flexDirection="column" width={width}>
              <ActiveProvider key={modal.key} value={modal.isReady}>
                {modal.element}
              </ActiveProvider>
            </Box>
          )}
          {helps && modal === undefined ? (
            <ActiveProvider value={true}>
              <Help done={() => setHelps(false)} />
            </ActiveProvider>
          ) : null}
          <Box display={modal === undefined && !helps ? 'flex' : 'none'} flexDirection="column">
            <Screens stack={stack} isActive={modal === undefined && !helps} />
          </Box>
        </Box>
        <Line look={theme.faint}>
          {fit(
            `── ${stack.at(-1)?.title ?? navigation.tops[top]?.title ?? ''} ${'─'.repeat(width)}`.slice(0, width),
            width,
          )}
        </Line>
        <Line {...(notice?.kind === 'failed' || notice === undefined ? { look: theme.bad } : { look: theme.good })}>
          {fit(` ${shorten(said, width - 1)}`, width)}
        </Line>
        <KeyLine width={width} />
      </Box>
    </AreaProvider>
  );
}

/** Keys that work on every screen. */
function Global({
  isTop,
  onHelp,
  onUnlock,
}: {
  readonly isTop: boolean;
  readonly onHelp: () => void;
  readonly onUnlock: () => void;
}): null {
  const { navigation, quit } = useUi();
  const { top } = useStore(navigation.place);
  useKeys([
    { keys: ['?', 'f1'], run: onHelp },
    { keys: ['u'], run: onUnlock },
    ...(isTop
      ? [
          { keys: ['q'], run: () => quit(0) },
          { keys: ['tab'], run: () => navigation.switchTo(top + 1) },
          { keys: ['shift-tab'], run: () => navigation.switchTo(top - 1) },
          ...navigation.tops.map((_, at) => ({ keys: [String(at + 1)], run: () => navigation.switchTo(at) })),
        ]
      : []),
  ]);
  return null;
}
