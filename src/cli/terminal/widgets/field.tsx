/** A line that is typed into. A secret one shows nothing of what is typed, not even its length. */
import { useState } from 'react';
import { safeText } from '../../../lib/text.ts';
import { useKeys } from '../ui.tsx';
import { Line, shorten } from './line.tsx';

const MAX_LENGTH = 4000;

interface FieldProps {
  readonly label: string;
  readonly first?: string;
  readonly secret?: boolean;
  readonly width: number;
  readonly onEnter: (text: string) => void;
  readonly onEscape: () => void;
}

export function Field({ label, first = '', secret = false, width, onEnter, onEscape }: FieldProps) {
  const [text, setText] = useState(first);
  const edit = (next: string) => setText(Array.from(next).slice(0, MAX_LENGTH).join(''));
  useKeys(
    [
      {
        keys: ['enter'],
        run: () => {
          setText('');
          onEnter(text);
        },
      },
      { keys: ['escape'], run: onEscape },
      { keys: ['backspace'], run: () => edit(Array.from(text).slice(0, -1).join('')) },
      { keys: ['ctrl-u'], run: () => setText('') },
    ],
    { typing: (key) => key.text !== '' && edit(text + key.text.replaceAll('\n', ' ')) },
  );
  const room = Math.max(width - label.length - 3, 4);
  const shown = safeText(text, { maxLength: MAX_LENGTH });
  const tail = Array.from(shown).slice(-room).join('');
  return <Line>{`${label} ${secret ? (text === '' ? '' : '(typed)') : shorten(tail, room)}▏`}</Line>;
}
