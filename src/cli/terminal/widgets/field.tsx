/** A line that is typed into, in a modal. A secret one shows nothing of what is typed, not even its length. */
import { useRef, useState } from 'react';
import { safeText } from '../../../lib/text.ts';
import { useIsActive, useKeys } from '../ui.tsx';
import { shorten } from './line.tsx';
import { ModalLine } from './modal-frame.tsx';

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
  // Several keys may come before the next drawing: each must find what the one before left.
  const held = useRef(first);
  const [text, setText] = useState(first);
  const edit = (next: string) => {
    held.current = Array.from(next).slice(0, MAX_LENGTH).join('');
    setText(held.current);
  };
  useKeys(
    [
      {
        keys: ['enter'],
        run: () => {
          const entered = held.current;
          edit('');
          onEnter(entered);
        },
      },
      { keys: ['escape'], run: onEscape },
      { keys: ['backspace'], run: () => edit(Array.from(held.current).slice(0, -1).join('')) },
      { keys: ['ctrl-u'], run: () => edit('') },
    ],
    { typing: (key) => key.text !== '' && edit(held.current + key.text.replaceAll('\n', ' ')) },
  );
  const isActive = useIsActive();
  const room = Math.max(width - label.length - 3, 4);
  const shown = safeText(text, { maxLength: MAX_LENGTH });
  const tail = Array.from(shown).slice(-room).join('');
  return (
    <ModalLine>{`${label} ${secret ? (text === '' ? '' : '(typed)') : shorten(tail, room)}${isActive ? '▏' : ''}`}</ModalLine>
  );
}
