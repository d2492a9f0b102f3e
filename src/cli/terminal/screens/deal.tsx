/** One deal: how it stands, what may happen, its history as a tree; and everything that can be done about it. */
import { Box } from 'ink';
import { type ReactElement, useCallback, useEffect, useState } from 'react';
import { fromUtf8 } from '../../../lib/bytes.ts';
import type { Agent, DealResult, DeliveryResult, ExplainResult } from '../../../rpc/agent.ts';
import { changesBetween, formatChanges } from '../../diff.ts';
import * as voice from '../../voice.ts';
import { needsAnswer } from '../../voice-delivery.ts';
import { counter, deliver, exportEvidence, signHeld, takeDelivered } from '../flows.ts';
import { ask, confirm } from '../modals/ask.tsx';
import { type Pair, pairsBeside, rowsOf } from '../model.ts';
import type { Screen } from '../navigation.ts';
import { type Binding, useAttempt, useKeys, useSay, useSize, useSnapshot, useUi } from '../ui.tsx';
import { Scroll } from '../widgets/list.tsx';
import { readerScreen } from './reader.tsx';

/** Children under their parents, in the order in which they came. */
export function treeOf(transactions: DealResult['transactions']): string[] {
  const known = new Set(transactions.map((one) => one.id));
  const lines: string[] = [];
  const BY = { you: 'you', them: 'them', arbiter: 'the arbiter' };
  const walk = (parent: string | null, indent: string): void => {
    const children = transactions.filter((one) =>
      parent === null ? one.parent === null || !known.has(one.parent) : one.parent === parent,
    );
    children.forEach((one, at) => {
      const isLast = at === children.length - 1;
      const text = one.text === null ? '' : `  “${voice.peer(one.text, 200)}”`;
      const branch = parent === null ? '' : isLast ? '└ ' : '├ ';
      lines.push(`${indent}${branch}${one.kind} by ${BY[one.by]}, ${voice.when(one.at)}${text}`);
      walk(one.id, parent === null ? '' : `${indent}${isLast ? '  ' : '│ '}`);
    });
  };
  walk(null, '');
  return lines;
}

interface Known {
  readonly deal: DealResult;
  readonly explained: ExplainResult;
  /** How far its content is, if it has any. */
  readonly delivery: DeliveryResult | null;
}

/** How often a fetch that runs is looked at. */
const FETCH_MS = 1000;

function Deal({ id }: { readonly id: string }): ReactElement {
  const ui = useUi();
  const { session, navigation } = ui;
  const attempt = useAttempt();
  const say = useSay();
  const { columns: width, rows } = useSize();
  const summary = useSnapshot().deals.find((one) => one.deal === id);
  const [known, setKnown] = useState<Known | undefined>(undefined);
  const stamp = `${summary?.state} ${summary?.updated} ${summary?.waitsFor} ${summary?.document}`;
  useEffect(() => {
    let isOn = true;
    const look = async (_since: string) => {
      const [deal, explained] = await Promise.all([
        session.agent.dealShow({ deal: id }),
        session.agent.dealExplain({ deal: id }),
      ]);
      // The deal is shown also where its content cannot be asked about.
      const delivery =
        deal.kind === 'contract' ? null : await session.agent.deliveryShow({ deal: id }).catch(() => null);
      if (isOn) setKnown({ deal, explained, delivery });
    };
    void look(stamp).catch(() => {});
    return () => {
      isOn = false;
    };
  }, [session, id, stamp]);
  /** No event tells how far a fetch is, nor that the files were taken. */
  const lookAtContent = useCallback((): void => {
    session.agent
      .deliveryShow({ deal: id })
      .then((delivery) => setKnown((before) => (before === undefined ? before : { ...before, delivery })))
      .catch(() => {});
  }, [session, id]);
  const isFetching = known?.delivery?.phase === 'fetching';
  useEffect(() => {
    if (!isFetching) return undefined;
    const timer = setInterval(lookAtContent, FETCH_MS);
    return () => clearInterval(timer);
  }, [isFetching, lookAtContent]);

  const order = async (title: string, lines: readonly string[], verb: string, act: () => Promise<unknown>) => {
    if (!(await confirm(ui, title, lines, verb))) return;
    if ((await attempt(act)) !== undefined) say(`${verb}: done`);
  };
  const state = known?.deal.state;
  const theirs = known?.deal.offeredBy === 'them';
  const isToAnswer = known !== undefined && theirs && needsAnswer(known.deal);
  const bindings: Binding[] = [
    { keys: ['escape', 'q'], label: 'back', does: 'back', run: () => void navigation.pop() },
    {
      keys: ['t', 'enter'],
      label: 'text',
      does: 'read the exact text',
      run: () =>
        void attempt(async () => {
          const { version } = await session.agent.dealShow({ deal: id });
          navigation.push(await versionScreen(session.agent, id, version, version));
        }),
    },
  ];
  if (state === 'offered') {
    if (theirs && !isToAnswer)
      bindings.push({
        keys: ['a'],
        label: 'accept',
        does: 'read the text and sign it',
        run: () => void attempt(() => signHeld(ui, 'sign', () => session.agent.dealAccept({ deal: id, hold: true }))),
      });
    if (known?.deal.kind === 'contract')
      bindings.push({
        keys: ['c'],
        label: 'counter',
        does: 'answer with another text',
        run: () => void attempt(() => counter(ui, id)),
      });
    if (theirs)
      bindings.push({
        keys: ['d'],
        label: 'decline',
        does: 'say no',
        run: () =>
          void attempt(async () => {
            const reason = await ask(ui, 'Decline this offer', 'reason', {
              lines: ['it ends the deal; the reason is for them to read'],
            });
            if (reason === undefined) return;
            await session.agent.dealDecline({ deal: id, ...(reason === '' ? {} : { reason }) });
            say('declined');
          }),
      });
    else
      bindings.push({
        keys: ['w'],
        label: 'withdraw',
        does: 'take your offer back',
        run: () =>
          void order(
            'Withdraw your offer?',
            ['it ends the deal, unless they have accepted before it arrives'],
            'withdraw',
            () => session.agent.dealWithdraw({ deal: id }),
          ),
      });
  }
  const isTransfer = known?.deal.kind === 'transfer';
  if (state === 'signing' && isTransfer)
    bindings.push({
      keys: ['b'],
      label: 'stop waiting',
      does: 'wait for the other side no longer',
      run: () =>
        void order(
          'Stop waiting?',
          theirs
            ? ['only for content that was lost on this disk: nothing of it is kept, and nothing signed']
            : ['the key is out already; a receipt that comes later is kept all the same'],
          'stop waiting',
          () => session.agent.dealAbort({ deal: id }),
        ),
    });
  if (state === 'signing' && !isTransfer)
    bindings.push(
      {
        keys: ['b'],
        label: 'abort',
        does: 'ask the arbiter to end the exchange',
        run: () =>
          void order(
            'Abort?',
            ['the arbiter is asked to complete it for nobody; if they were faster, it is completed'],
            'abort',
            () => session.agent.dealAbort({ deal: id }),
          ),
      },
      {
        keys: ['r'],
        label: 'resolve',
        does: 'ask the arbiter to complete the exchange',
        run: () =>
          void order(
            'Resolve?',
            ['the arbiter is asked for what they have not given, and completes it without them'],
            'resolve',
            () => session.agent.dealResolve({ deal: id }),
          ),
      },
    );
  if (known?.delivery?.phase === 'opened')
    bindings.push({
      keys: ['o'],
      label: 'take files',
      does: 'put the files that came into a folder',
      run: () => void attempt(() => takeDelivered(ui, id)).then(lookAtContent),
    });
  if (state === 'contracted')
    bindings.push({
      keys: ['v'],
      label: 'deliver',
      does: 'deliver files under this contract, for a signed receipt',
      run: () => void attempt(() => deliver(ui, id, false)),
    });
  if (state === 'offered' && isToAnswer)
    bindings.push({
      keys: ['v'],
      label: 'give files',
      does: 'answer the swap with files of yours',
      run: () => void attempt(() => deliver(ui, id, true)),
    });
  if (state === 'contracted' || state === 'completed')
    bindings.push({
      keys: ['x'],
      label: 'export',
      does: 'write the evidence to a folder',
      run: () => void attempt(() => exportEvidence(ui, id)),
    });
  bindings.push({
    keys: ['m'],
    label: 'message',
    does: 'write to the other side; binds nobody',
    run: () =>
      void attempt(async () => {
        const text = await ask(ui, 'Message', 'text');
        if (text === undefined || text.trim() === '') return;
        await session.agent.dealMessage({ deal: id, text });
        say('sent');
      }),
  });
  if ((known?.deal.version ?? 1) > 1)
    bindings.push({
      keys: ['f'],
      label: 'diff',
      does: 'what changed between two versions',
      run: () => navigation.push(diffScreen(id, known?.deal.version ?? 2)),
    });
  useKeys(bindings);
  const lines =
    known === undefined
      ? ['…']
      : [
          ...voice.deal({ ...known.deal, transactions: [] }, known.delivery),
          '',
          ...voice.explain(known.explained, width),
          '',
          'history',
          ...treeOf(known.deal.transactions),
        ].flatMap((line) => rowsOf(line, width));
  return (
    <Box flexDirection="column">
      <Scroll lines={lines} height={rows} width={width} />
    </Box>
  );
}

export function dealScreen(id: string, title: string): Screen {
  return {
    title: `${id.slice(0, 4)} ${voice.peer(title, 50)}`,
    help: 'How the deal stands, what happens if somebody stops now, and its history.',
    element: <Deal id={id} />,
  };
}

/** The exact text of one of `count` versions, from which the others can be reached. */
async function versionScreen(agent: Agent, deal: string, version: number, count: number): Promise<Screen> {
  const { data } = await agent.dealText({ deal, version });
  const other = (number: number) => () => versionScreen(agent, deal, number, count);
  return readerScreen(`version ${version}`, fromUtf8(Buffer.from(data, 'base64')), {
    ...(version > 1 ? { older: other(version - 1) } : {}),
    ...(version < count ? { newer: other(version + 1) } : {}),
  });
}

/** Front matter and body of a text. */
function parts(text: string): { readonly front: string; readonly body: string } {
  const end = text.startsWith('+++\n') ? text.indexOf('\n+++\n', 3) : -1;
  return end === -1 ? { front: '', body: text } : { front: text.slice(4, end + 1), body: text.slice(end + 5) };
}

function Diff({ id, version }: { readonly id: string; readonly version: number }): ReactElement {
  const { session, navigation } = useUi();
  const { columns: width, rows } = useSize();
  // More may come while it is open.
  const count = Math.max(version, useSnapshot().deals.find((one) => one.deal === id)?.version ?? 0);
  const [{ before, after }, setPair] = useState<Pair>({ before: version - 1, after: version });
  const [lines, setLines] = useState<readonly string[]>(['…']);
  useEffect(() => {
    let isOn = true;
    const show = (found: readonly string[]) => {
      if (isOn) setLines(found);
    };
    const look = async () => {
      const texts = await Promise.all(
        [before, after].map(async (one) =>
          fromUtf8(Buffer.from((await session.agent.dealText({ deal: id, version: one })).data, 'base64')),
        ),
      );
      // What people read comes first: every counter-offer changes the terms, if only in who wrote it.
      const [earlier, later] = texts.map(parts);
      const changes = (one: string | undefined, other: string | undefined) => {
        const found = formatChanges({ paint: (_, text) => text }, changesBetween(one ?? '', other ?? ''));
        return found.length === 0 ? ['  the same'] : found;
      };
      show([
        `the text, version ${before} → version ${after}`,
        ...changes(earlier?.body, later?.body),
        '',
        'the terms',
        ...changes(earlier?.front, later?.front),
      ]);
    };
    look().catch((error) => show([error instanceof Error ? voice.peer(error.message, 200) : 'failed']));
    return () => {
      isOn = false;
    };
  }, [session, id, before, after]);
  const beside = pairsBeside({ before, after }, count);
  const step = (key: string, pair: Pair | undefined, label: string, does: string): Binding[] =>
    pair === undefined ? [] : [{ keys: [key], label, does, run: () => setPair(pair) }];
  useKeys([
    { keys: ['escape', 'q'], label: 'back', does: 'back', run: () => void navigation.pop() },
    ...step('[', beside.older, 'older', 'both versions one older'),
    ...step(']', beside.newer, 'newer', 'both versions one newer'),
    ...step('{', beside.wider, 'from older', 'the earlier version one older'),
    ...step('}', beside.closer, 'from newer', 'the earlier version one newer'),
  ]);
  return (
    <Scroll
      key={`${before} ${after}`}
      lines={lines.flatMap((line) => rowsOf(line, width))}
      height={rows}
      width={width}
    />
  );
}

/** What changed up to `version`, since the one before it; and between any two. */
export function diffScreen(id: string, version: number): Screen {
  return {
    title: `${id.slice(0, 4)} what changed`,
    help: 'Removed words stand in [-…-], added ones in {+…+}.',
    element: <Diff id={id} version={version} />,
  };
}
