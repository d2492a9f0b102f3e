/** Small questions: a line of text, a yes or no. */
import type { ReactElement } from 'react';
import { type Ui, useKeys } from '../ui.tsx';
import { Field } from '../widgets/field.tsx';
import { ModalFrame, ModalKeys, ModalLines, useModalWidth } from '../widgets/modal-frame.tsx';

interface AskProps {
  readonly title: string;
  readonly lines: readonly string[];
  readonly label: string;
  readonly first: string;
  readonly secret: boolean;
  readonly done: (answer: string | undefined) => void;
}

function Ask({ title, lines, label, first, secret, done }: AskProps): ReactElement {
  const width = useModalWidth();
  return (
    <ModalFrame title={title}>
      <ModalLines lines={lines} />
      <Field
        label={label}
        first={first}
        secret={secret}
        width={width}
        onEnter={done}
        onEscape={() => done(undefined)}
      />
      <ModalKeys>esc no · ↵ go on</ModalKeys>
    </ModalFrame>
  );
}

export interface Asked {
  readonly lines?: readonly string[];
  readonly first?: string;
  readonly secret?: boolean;
}

/** Undefined: the person left. */
export function ask(
  ui: Pick<Ui, 'modals'>,
  title: string,
  label: string,
  more: Asked = {},
): Promise<string | undefined> {
  return ui.modals.show<string | undefined>((done) => (
    <Ask
      title={title}
      label={label}
      lines={more.lines ?? []}
      first={more.first ?? ''}
      secret={more.secret ?? false}
      done={done}
    />
  ));
}

function Confirm({
  title,
  lines,
  verb,
  done,
}: {
  readonly title: string;
  readonly lines: readonly string[];
  readonly verb: string;
  readonly done: (yes: boolean) => void;
}): ReactElement {
  useKeys([
    { keys: ['y'], run: () => done(true) },
    { keys: ['escape', 'n', 'q'], run: () => done(false) },
  ]);
  return (
    <ModalFrame title={title}>
      <ModalLines lines={lines} />
      <ModalKeys>{`esc no · y ${verb}`}</ModalKeys>
    </ModalFrame>
  );
}

export function confirm(
  ui: Pick<Ui, 'modals'>,
  title: string,
  lines: readonly string[],
  verb: string,
): Promise<boolean> {
  return ui.modals.show<boolean>((done) => <Confirm title={title} lines={lines} verb={verb} done={done} />);
}
