/** The first screen: all deals, what waits for you first, then the newest, and what the selected one is about. */
import { Box } from 'ink';
import { type ReactElement, useEffect, useMemo, useState } from 'react';
import { fromUtf8 } from '../../../lib/bytes.ts';
import type { DealSummary } from '../../../rpc/agent.ts';
import * as voice from '../../voice.ts';
import { stateWord } from '../../voice-delivery.ts';
import { propose } from '../flows.ts';
import { ask } from '../modals/ask.tsx';
import { rowsOf } from '../model.ts';
import type { Screen } from '../navigation.ts';
import { useAttempt, useKept, useKeys, useSize, useSnapshot, useTheme, useUi } from '../ui.tsx';
import { fit, Line, shorten } from '../widgets/line.tsx';
import { List, numbered, useSelected } from '../widgets/list.tsx';
import { compareScreen } from './compare.tsx';
import { dealScreen } from './deal.tsx';

const WAITS = { you: 'you', them: 'them', arbiter: 'arbiter', nobody: '–' } as const;
/** Rows below the list; on a low screen the list has them. */
const PREVIEW = 7;

const day = (iso: string | null): string =>
  iso === null
    ? '–'
    : (voice
        .when(iso)
        .split(',')[0]
        ?.replace(/ [0-9]{4}$/, '') ?? '–');

const idOf = (deal: DealSummary): string => deal.deal;

export function dealRow(deal: DealSummary, width: number, marked: boolean): string {
  const fixed = 5 + 15 + 12 + 8 + 7;
  const title = Math.max(width - fixed - 6, 8);
  return [
    `${deal.deal.slice(0, 4)}${marked ? '*' : ' '}`,
    fit(voice.peer(deal.title, 80), title),
    fit(`${voice.peer(deal.with, 30)} ${deal.verified ? '✓' : '?'}`, 14),
    fit(deal.state === 'offered' ? `offered v${deal.version}` : stateWord(deal), 11),
    fit(WAITS[deal.waitsFor], 7),
    day(deal.until),
  ].join(' ');
}

function Preview({
  deal,
  height,
  width,
}: {
  readonly deal: DealSummary;
  readonly height: number;
  readonly width: number;
}): ReactElement {
  const { session } = useUi();
  const theme = useTheme();
  const [body, setBody] = useState<readonly string[]>([]);
  useEffect(() => {
    let isOn = true;
    setBody([]);
    session.agent
      .dealText({ deal: deal.deal, version: deal.version })
      .then(({ data }) => {
        const text = fromUtf8(Buffer.from(data, 'base64'));
        const start = text.startsWith('+++\n') ? text.indexOf('\n+++\n', 3) + 5 : 0;
        const lines = text
          .slice(start)
          .split('\n')
          .filter((line) => line.trim() !== '');
        if (isOn) setBody(lines.slice(0, PREVIEW).map((line) => voice.peer(line, 500)));
      })
      .catch(() => {});
    return () => {
      isOn = false;
    };
  }, [session, deal.deal, deal.version]);
  const said =
    deal.state === 'offered'
      ? deal.kind === 'contract'
        ? 'Accepting signs this text. Until both have signed, neither signature counts.'
        : deal.kind === 'transfer'
          ? 'A transfer, without arbiter: accepting fetches the files. A receipt, if asked for, is signed once all of it is here.'
          : 'Accepting fetches the files. What you owe for them is signed once all of it is here.'
      : '';
  const notes = said === '' ? [] : rowsOf(said, width - 2);
  const lines = [
    `version ${deal.version} · ${deal.verified ? 'verified' : 'unverified'}: ${voice.peer(deal.with, 30)}`,
    ...body.flatMap((line) => rowsOf(line, width - 2)),
  ].slice(0, height - Math.max(notes.length, 1));
  return (
    <Box flexDirection="column" height={height} flexShrink={0}>
      {lines.map(numbered(0)).map(({ row, line }) => (
        <Line key={row} {...(row === 0 ? { look: theme.faint } : { look: theme.peer })}>
          {shorten(` ${line}`, width)}
        </Line>
      ))}
      {notes.map(numbered(0)).map(({ row, line }) => (
        <Line key={`note-${row}`} look={theme.faint}>{` ${line}`}</Line>
      ))}
    </Box>
  );
}

function Deals(): ReactElement {
  const ui = useUi();
  const attempt = useAttempt();
  const theme = useTheme();
  const { deals: all, isComplete } = useSnapshot();
  const { columns: width, rows } = useSize();
  const [filter, setFilter] = useKept('deals.filter', '');
  const [marked, setMarked] = useKept<readonly string[]>('deals.marked', []);
  const wanted = filter.toLowerCase();
  // Of thousands of deals, once for each change and not for each key.
  const deals = useMemo(
    () =>
      wanted === ''
        ? all
        : all.filter((one) => `${one.deal} ${one.title} ${one.with} ${stateWord(one)}`.toLowerCase().includes(wanted)),
    [all, wanted],
  );
  const { at, item: deal, select } = useSelected('deals', deals, idOf);
  const open = () => deal !== undefined && ui.navigation.push(dealScreen(deal.deal, deal.title));
  useKeys([
    { keys: ['enter', 'right'], label: 'open', does: 'open the deal', run: () => void open() },
    {
      keys: ['n'],
      label: 'new',
      does: 'propose a new deal, from a file, by what each side gives, or in your editor',
      run: () => void attempt(() => propose(ui)),
    },
    {
      keys: ['/'],
      label: 'filter',
      does: 'show only deals with this in id, title, name or state',
      run: () =>
        void ask(ui, 'Show deals with', 'text', { first: filter }).then(
          (text) => text !== undefined && setFilter(text),
        ),
    },
    {
      keys: ['space'],
      label: 'mark',
      does: 'mark the deal for comparing',
      run: () => {
        if (deal === undefined) return;
        const { deal: id } = deal;
        setMarked(marked.includes(id) ? marked.filter((one) => one !== id) : [...marked, id].slice(-4));
      },
    },
    {
      keys: ['='],
      label: 'compare',
      does: 'show the marked deals side by side; without marks those with the title of this one',
      run: () => {
        const same = all.filter((one) => one.title === deal?.title && one.state === 'offered').map((one) => one.deal);
        const ids = marked.length > 0 ? marked : same.slice(0, 4);
        if (ids.length > 0) ui.navigation.push(compareScreen(ids));
      },
    },
  ]);
  const preview = rows >= 16 && deal !== undefined ? PREVIEW : 0;
  const height = Math.max(rows - 1 - preview - (preview > 0 ? 1 : 0), 1);
  const heading = `  DEAL  ${filter === '' ? '' : `with “${voice.peer(filter, 30)}” · `}${deals.length} of ${all.length}`;
  return (
    <Box flexDirection="column">
      <Line look={theme.faint}>{fit(heading, width)}</Line>
      <List
        count={deals.length}
        selected={at}
        height={height}
        width={width}
        onSelect={select}
        row={(index) => {
          const one = deals[index];
          return one === undefined ? '' : dealRow(one, width - 2, marked.includes(one.deal));
        }}
        empty={!isComplete ? '…' : all.length === 0 ? 'no deals yet: n proposes one' : 'no deal fits'}
      />
      {preview === 0 || deal === undefined ? null : (
        <>
          <Line> </Line>
          <Preview deal={deal} height={PREVIEW} width={width} />
        </>
      )}
    </Box>
  );
}

export const dealsScreen: Screen = {
  title: 'Deals',
  help: 'All your deals: what waits for you, then the newest. ✓ is a verified contact, ? one that is not.',
  element: <Deals />,
};
