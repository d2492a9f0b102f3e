/** Several open deals for one want, side by side. */
import { type ReactElement, useEffect, useState } from 'react';
import { fromUtf8 } from '../../../lib/bytes.ts';
import type { DealResult } from '../../../rpc/agent.ts';
import * as voice from '../../voice.ts';
import type { Screen } from '../navigation.ts';
import { useKeys, useSize, useUi } from '../ui.tsx';
import { fit } from '../widgets/line.tsx';
import { Scroll } from '../widgets/list.tsx';
import { termsOf } from './reader.tsx';

const LABEL = 10;

interface Column {
  readonly deal: DealResult;
  readonly text: string;
}

/** What is owed in a text: descriptions and amounts of its front matter, in their order. */
export function owedIn(text: string): string[] {
  return termsOf(text)
    .flatMap((line) => /^(?:description|amount) = "(.*)"$/.exec(line)?.[1] ?? [])
    .filter((one) => one !== 'signature on this document');
}

function arbiterOf(arbiter: DealResult['arbiter']): string {
  return arbiter === null ? 'none' : (arbiter.contact ?? voice.peer(arbiter.name));
}

export function rowsFor(columns: readonly Column[], width: number): string[] {
  const each = Math.max(16, Math.floor((width - LABEL) / Math.max(columns.length, 1)) - 2);
  const row = (label: string, of: (column: Column) => string): string =>
    `${label.padEnd(LABEL)}${columns.map((column) => fit(of(column), each)).join('  ')}`;
  const items = Math.max(0, ...columns.map((column) => owedIn(column.text).length));
  const bodies = columns.map(({ text }) => text.slice(text.indexOf('\n+++\n') + 5).split('\n'));
  const body = Math.max(...bodies.map((lines) => lines.length));
  return [
    row('deal', ({ deal }) => deal.deal.slice(0, 4)),
    row('title', ({ deal }) => voice.peer(deal.title, 60)),
    row('with', ({ deal }) => `${voice.peer(deal.with)} ${deal.verified ? '✓' : '?'}`),
    row('state', ({ deal }) => `${deal.state} v${deal.version}`),
    row('waits for', ({ deal }) => deal.waitsFor),
    row('arbiter', ({ deal }) => arbiterOf(deal.arbiter)),
    row('mode', ({ deal }) => deal.arbiter?.mode ?? '–'),
    row('until', ({ deal }) => (deal.until === null ? '–' : voice.when(deal.until))),
    ...Array.from({ length: items }, (_, at) => row(at === 0 ? 'items' : '', ({ text }) => owedIn(text)[at] ?? '')),
    '',
    ...Array.from({ length: body }, (_, at) =>
      row('', (column) => voice.peer(bodies[columns.indexOf(column)]?.[at] ?? '', 500)),
    ),
  ];
}

function Compare({ ids }: { readonly ids: readonly string[] }): ReactElement {
  const { session, navigation } = useUi();
  const { columns: width, rows } = useSize();
  const [found, setFound] = useState<readonly Column[]>([]);
  useEffect(() => {
    const look = async () =>
      setFound(
        await Promise.all(
          ids.map(async (id) => ({
            deal: await session.agent.dealShow({ deal: id }),
            text: fromUtf8(Buffer.from((await session.agent.dealText({ deal: id })).data, 'base64')),
          })),
        ),
      );
    void look().catch(() => {});
  }, [session, ids]);
  useKeys([{ keys: ['escape', 'q'], label: 'back', does: 'back', run: () => void navigation.pop() }]);
  return <Scroll lines={found.length === 0 ? ['…'] : rowsFor(found, width)} height={rows} width={width} />;
}

export function compareScreen(ids: readonly string[]): Screen {
  return { title: 'Side by side', help: 'The deals that you marked with space.', element: <Compare ids={ids} /> };
}
