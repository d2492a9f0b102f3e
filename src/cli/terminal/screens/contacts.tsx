/** Whom you know: cards pinned, words compared. */

import { Box } from 'ink';
import type { ReactElement } from 'react';
import { fromUtf8 } from '../../../lib/bytes.ts';
import type { ContactResult } from '../../../rpc/agent.ts';
import { MAX_CARD_BYTES, readInput } from '../../files.ts';
import * as voice from '../../voice.ts';
import { ask, confirm } from '../modals/ask.tsx';
import type { Screen } from '../navigation.ts';
import { useAttempt, useKeys, useSay, useSize, useSnapshot, useTheme, useUi } from '../ui.tsx';
import { fit, Line } from '../widgets/line.tsx';
import { List, Scroll, useSelected } from '../widgets/list.tsx';

function One({ name }: { readonly name: string }): ReactElement {
  const ui = useUi();
  const attempt = useAttempt();
  const say = useSay();
  const { columns: width, rows } = useSize();
  const contact = useSnapshot().contacts.find((one) => one.contact === name);
  const { agent } = ui.session;
  useKeys([
    { keys: ['escape', 'q'], label: 'back', does: 'back', run: () => void ui.navigation.pop() },
    {
      keys: ['v'],
      label: 'verify',
      does: 'mark as verified, once all 16 words were the same on both sides',
      run: () =>
        void attempt(async () => {
          if (contact === undefined) return;
          const lines = [
            'call them: all 16 words that they read out are those on your screen?',
            ...voice.words(contact.words),
          ];
          if (!(await confirm(ui, `Verify ${name}`, lines, 'all 16 are the same'))) return;
          // Rules rely on it only if the passphrase was given with it.
          if (!ui.session.snapshot().isProven) {
            const passphrase = await ask(ui, `Verify ${name}`, 'passphrase', {
              secret: true,
              lines: ['so that rules may rely on it; empty: without'],
            });
            if (passphrase === undefined) return;
            if (passphrase !== '') await ui.session.prove(passphrase);
          }
          await agent.contactVerify({ contact: name, words: contact.words });
          say(`${name} is verified`);
        }),
    },
    {
      keys: ['X'],
      label: 'remove',
      does: 'forget the contact',
      run: () =>
        void attempt(async () => {
          if (!(await confirm(ui, `Forget ${name}?`, ['its card is no longer pinned'], 'forget'))) return;
          await agent.contactRemove({ contact: name });
          ui.navigation.pop();
        }),
    },
  ]);
  const lines =
    contact === undefined
      ? ['forgotten']
      : [
          'compare these words by telephone, all 16:',
          '',
          ...voice.words(contact.words),
          '',
          ...voice.contact(contact).slice(0, -5),
        ];
  return <Scroll lines={lines} height={rows} width={width} />;
}

export function contactScreen(name: string): Screen {
  return {
    title: `contact ${name}`,
    help: 'The words are the same on both sides if the card is theirs.',
    element: <One name={name} />,
  };
}

const row = (one: ContactResult): string =>
  [
    fit(one.contact, 16),
    fit(voice.peer(one.name), 24),
    one.verified ? '✓ verified  ' : '? unverified',
    one.online ? 'online ' : '–      ',
    one.roles.map((role) => voice.peer(role)).join(' '),
  ].join(' ');

function Contacts(): ReactElement {
  const ui = useUi();
  const attempt = useAttempt();
  const say = useSay();
  const theme = useTheme();
  const { contacts } = useSnapshot();
  const { columns: width, rows } = useSize();
  const { at, item: contact, select } = useSelected('contacts', contacts, (one) => one.fingerprint);
  useKeys([
    {
      keys: ['enter', 'right'],
      label: 'open',
      does: 'the words to compare, and more',
      run: () => contact !== undefined && ui.navigation.push(contactScreen(contact.contact)),
    },
    {
      keys: ['n'],
      label: 'add',
      does: 'pin a card, from a file or pasted',
      run: () =>
        void attempt(async () => {
          const card = await ask(ui, 'Add a contact', 'card or file', {
            lines: ['paste the card, or name the file that it is in'],
          });
          if (card === undefined || card === '') return;
          const as = await ask(ui, 'Add a contact', 'your name for it');
          if (as === undefined || as === '') return;
          const text = card.startsWith('fit1') ? card : fromUtf8(await readInput(card, MAX_CARD_BYTES));
          await ui.session.agent.contactAdd({ card: text.trim(), as });
          say(`added ${as}: compare the words`);
          ui.navigation.push(contactScreen(as));
        }),
    },
    {
      keys: ['c'],
      label: 'my card',
      does: 'show your own card',
      run: () =>
        void attempt(async () => {
          const { card } = await ui.session.agent.card();
          const lines = card.match(/.{1,70}/g) ?? [];
          ui.navigation.push({ title: 'your card', element: <Card lines={lines} /> });
        }),
    },
  ]);
  return (
    <Box flexDirection="column">
      <Line look={theme.faint}>{'  CONTACT          NAME'}</Line>
      <List
        count={contacts.length}
        selected={at}
        height={rows - 1}
        width={width}
        onSelect={select}
        row={(index) => (contacts[index] === undefined ? '' : row(contacts[index]))}
        empty="no contacts yet: n adds one"
      />
    </Box>
  );
}

function Card({ lines }: { readonly lines: readonly string[] }): ReactElement {
  const { navigation } = useUi();
  const { columns: width, rows } = useSize();
  useKeys([{ keys: ['escape', 'q'], label: 'back', does: 'back', run: () => void navigation.pop() }]);
  return (
    <Scroll lines={['give this to the other side, or: fit card > me.card', '', ...lines]} height={rows} width={width} />
  );
}

export const contactsScreen: Screen = {
  title: 'Contacts',
  help: 'Whom you can trade with. Verify by words those with whom it matters.',
  element: <Contacts />,
};
