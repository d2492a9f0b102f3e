/** Requests that wait, what happened, an arbiter's cases, the settings. */
import { Box } from 'ink';
import { type ReactElement, useEffect, useState } from 'react';
import * as voice from '../../voice.ts';
import * as approvals from '../../voice-approvals.ts';
import { decide } from '../flows.ts';
import { ask } from '../modals/ask.tsx';
import type { Screen } from '../navigation.ts';
import { useAttempt, useKeys, useSay, useSize, useSnapshot, useTheme, useUi } from '../ui.tsx';
import { fit, Line } from '../widgets/line.tsx';
import { List, useSelected } from '../widgets/list.tsx';
import { dealScreen } from './deal.tsx';

function Requests(): ReactElement {
  const ui = useUi();
  const attempt = useAttempt();
  const say = useSay();
  const requests = useSnapshot().requests.filter((one) => !one.held);
  const { columns: width, rows } = useSize();
  const { at, item: request, select } = useSelected('requests', requests, (one) => one.id);
  useKeys([
    {
      keys: ['enter', 'r'],
      label: 'read',
      does: 'read the text, then sign or leave',
      run: () => void attempt(async () => request !== undefined && decide(ui, request, 'sign')),
    },
    {
      keys: ['x'],
      label: 'refuse',
      does: 'say no: nothing is signed',
      run: () =>
        void attempt(async () => {
          if (request === undefined) return;
          await ui.session.agent.approveRefuse({ request: request.id });
          say('refused: nothing was signed');
        }),
    },
  ]);
  return (
    <List
      count={requests.length}
      selected={at}
      height={rows}
      width={width}
      onSelect={select}
      row={(index) => {
        const one = requests[index];
        if (one === undefined) return '';
        return [
          one.id.slice(0, 5),
          fit(one.kind, 10),
          fit(voice.peer(one.title, 60), Math.max(width - 64, 8)),
          fit(approvals.peerOf(one), 20),
          approvals.askerOf(one.asker),
        ].join(' ');
      }}
      empty="nothing waits for your signature"
    />
  );
}

function Activity(): ReactElement {
  const ui = useUi();
  const { events, deals } = useSnapshot();
  const { columns: width, rows } = useSize();
  const { at, item: event, select } = useSelected('activity', events);
  useKeys([
    {
      keys: ['enter', 'right'],
      label: 'open deal',
      does: 'open the deal that it is about',
      run: () => {
        const deal = deals.find((one) => one.deal === event?.deal);
        if (deal !== undefined) ui.navigation.push(dealScreen(deal.deal, deal.title));
      },
    },
  ]);
  return (
    <List
      count={events.length}
      selected={at}
      height={rows}
      width={width}
      onSelect={select}
      row={(index) => (events[index] === undefined ? '' : voice.event(events[index]))}
      empty="nothing happened since the daemon started"
    />
  );
}

function Cases(): ReactElement {
  const { cases, status } = useSnapshot();
  const theme = useTheme();
  const { columns: width, rows } = useSize();
  const [heading = '', ...lines] = cases.length === 0 ? [''] : voice.cases(cases);
  const { at, select } = useSelected('cases', lines);
  const isArbiter = status?.roles.includes('arbiter') === true;
  return (
    <Box flexDirection="column">
      <Line look={theme.faint}>{fit(`  ${heading}`, width)}</Line>
      <List
        count={lines.length}
        selected={at}
        height={rows - 1}
        width={width}
        onSelect={select}
        row={(index) => lines[index] ?? ''}
        empty={isArbiter ? 'nobody has asked for a decision' : 'you are no arbiter: nobody asks you'}
      />
    </Box>
  );
}

function Settings(): ReactElement {
  const ui = useUi();
  const attempt = useAttempt();
  const say = useSay();
  const { columns: width, rows } = useSize();
  const [config, setConfig] = useState<readonly (readonly [string, string])[]>([]);
  const { session } = ui;
  useEffect(() => {
    session.agent
      .configList()
      .then((result) => setConfig(Object.entries(result.config)))
      .catch(() => {});
  }, [session]);
  const { at, item: setting, select } = useSelected('settings', config);
  useKeys([
    {
      keys: ['enter', 'e'],
      label: 'change',
      does: 'change the setting',
      run: () =>
        void attempt(async () => {
          const [key, value] = setting ?? [];
          if (key === undefined) return;
          const next = await ask(ui, key, 'value', { first: value ?? '' });
          if (next === undefined || next === value) return;
          await session.agent.configSet({ key, value: next });
          setConfig(Object.entries((await session.agent.configList()).config));
          say('it is used from the next start of the daemon on');
        }),
    },
    {
      keys: ['l'],
      label: 'lock',
      does: 'put the keys away',
      run: () => void attempt(async () => session.agent.lock()),
    },
  ]);
  return (
    <List
      count={config.length}
      selected={at}
      height={rows}
      width={width}
      onSelect={select}
      row={(index) => {
        const [key = '', value = ''] = config[index] ?? [];
        return `${fit(key, 24)} ${voice.peer(value, 200)}`;
      }}
      empty="…"
    />
  );
}

export const requestsScreen: Screen = {
  title: 'Requests',
  help: 'What programs asked you to sign. No answer in time means no.',
  element: <Requests />,
};
export const activityScreen: Screen = {
  title: 'Activity',
  help: 'What happened, the newest first.',
  element: <Activity />,
};
export const casesScreen: Screen = {
  title: 'Cases',
  help: 'Decisions that you were asked for as an arbiter.',
  element: <Cases />,
};
export const settingsScreen: Screen = {
  title: 'Settings',
  help: 'fit.toml; man fit.toml says what each key is.',
  element: <Settings />,
};
