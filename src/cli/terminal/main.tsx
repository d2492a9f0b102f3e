/** `fit ui`: takes the terminal, draws the screens over one session, and gives the terminal back whatever happens. */

import { setTimeout as delay } from 'node:timers/promises';
import { render } from 'ink';
import { EXIT } from '../../lib/errors.ts';
import { connect } from '../../rpc/client.ts';
import type { Context } from '../context.ts';
import { wantsColor } from '../output.ts';
import { App } from './app.tsx';
import { createPainter } from './frame.ts';
import { createKeyboard } from './keyboard.ts';
import { takeTerminal } from './lifecycle.ts';
import { createLines } from './lines.ts';
import { createModals } from './modals.ts';
import { createNavigation } from './navigation.ts';
import { contactsScreen } from './screens/contacts.tsx';
import { dealsScreen } from './screens/deals.tsx';
import { activityScreen, casesScreen, requestsScreen, settingsScreen } from './screens/others.tsx';
import { createSession, type Session } from './session.ts';
import { createSettling } from './settling.tsx';
import { createStore } from './store.ts';
import { themeFor } from './theme.ts';
import { type Bound, type Notice, type Size, type Ui, UiProvider } from './ui.tsx';

/** What a daemon that is there takes at most; one that is being started takes longer, and the screen says so. */
const FIRST_WAIT_MS = 250;

function firstComplete(session: Session): Promise<void> {
  return new Promise((resolve) => {
    const stop = session.subscribe(() => {
      const { isComplete, problem } = session.snapshot();
      if (!isComplete && problem === undefined) return;
      stop();
      resolve();
    });
  });
}

export async function runTerminal(context: Context): Promise<number> {
  const { stdin: input, stdout: output } = process;
  const display = {
    get columns() {
      return output.columns || 80;
    },
    get rows() {
      return output.rows || 24;
    },
    write: (text: string, written: () => void) => output.write(text, () => written()),
  };
  const lines = createLines();
  const painter = createPainter(display, lines);
  const settling = createSettling();
  const keyboard = createKeyboard(settling.settled);
  const sizeNow = (): Size => ({ columns: display.columns, rows: display.rows });
  const size = createStore<Size>(sizeNow());
  // Before the terminal is taken: what cannot start says so on the screen that stays.
  const session = createSession({
    first: () => context.agent(),
    again: () => connect(context.paths().socket),
  });
  const modals = createModals(() => keyboard.hold(painter.drawn()));
  const navigation = createNavigation([
    dealsScreen,
    contactsScreen,
    requestsScreen,
    activityScreen,
    casesScreen,
    settingsScreen,
  ]);
  const notice = createStore<Notice | undefined>(undefined);
  let end: (code: number) => void = () => {};
  const ended = new Promise<number>((resolve) => {
    end = resolve;
  });
  const owner = takeTerminal(input, output, {
    left: () => painter.pause(),
    entered: () => {
      size.set(sizeNow());
      painter.resume();
    },
    input: (chunk) => {
      // In raw mode these two are only bytes.
      if (chunk.includes(0x03)) return end(EXIT.interrupted);
      if (chunk.length === 1 && chunk[0] === 0x1a) return owner.suspend();
      notice.set(undefined);
      session.active();
      keyboard.feed(chunk);
    },
    inputEnded: () => end(EXIT.done),
  });
  const ui: Ui = {
    session,
    navigation,
    modals,
    keyboard,
    lines,
    theme: themeFor(wantsColor(context.options.color, context.environment, true)),
    context,
    size,
    notice,
    bound: createStore<readonly Bound[]>([]),
    kept: new Map(),
    drawn: () => painter.drawn(),
    lend: (work) => owner.lend(work),
    suspend: () => owner.suspend(),
    quit: (code = EXIT.done) => end(code),
  };
  const resized = () => {
    size.set(sizeNow());
    painter.forget();
    painter.resized();
  };
  output.on('resize', resized);
  // One screen with the deals comes sooner than an empty one and then that.
  await Promise.race([firstComplete(session), delay(FIRST_WAIT_MS)]);
  const app = render(
    <UiProvider value={ui}>
      <App />
      {settling.element}
    </UiProvider>,
    { stdout: painter.stdout, debug: true, exitOnCtrlC: false, patchConsole: false },
  );
  // A screen that fails takes all of them down: said by main.ts once the terminal is given back.
  const failed = app.waitUntilExit().then(() => ended);
  failed.catch(() => {});
  try {
    return await Promise.race([ended, failed]);
  } finally {
    output.off('resize', resized);
    owner.release();
    app.unmount();
    session.close();
  }
}
