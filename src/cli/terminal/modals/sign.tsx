/**
 * The question before a signature: what is signed, with whom, through whom, who asks, what if they stop half-way; then the
 * passphrase, or, once this terminal has proven it, the word `sign` (a key pressed by mistake must not sign).
 */
import { type ReactElement, useState } from 'react';
import { isFitError } from '../../../lib/errors.ts';
import type { ApprovalRequest } from '../../../rpc/approvals.ts';
import * as voice from '../../voice.ts';
import * as approvals from '../../voice-approvals.ts';
import { rowsOf } from '../model.ts';
import { type Ui, useKeys, useTheme, wordsOf } from '../ui.tsx';
import { Field } from '../widgets/field.tsx';
import {
  ModalFrame,
  ModalKeys,
  ModalLine,
  ModalLines,
  useModalScroll,
  useModalWidth,
} from '../widgets/modal-frame.tsx';

/** Where the second column of the facts begins. */
const INDENT = 10;

function facts(request: ApprovalRequest, width: number): string[] {
  const lines = approvals.request(request).filter((line) => !/^(request|state|title) /.test(line));
  return lines.flatMap((line) => {
    const [first = ''] = rowsOf(line, width);
    const rest = line.slice(first.length).trim();
    return [first, ...(rest === '' ? [] : rowsOf(rest, width - INDENT).map((row) => ' '.repeat(INDENT) + row))];
  });
}

interface SignProps {
  readonly request: ApprovalRequest;
  readonly verb: string;
  readonly proven: boolean;
  readonly sign: (passphrase: string | undefined) => Promise<void>;
  readonly done: (signed: boolean) => void;
}

function Sign({ request, verb, proven, sign, done }: SignProps): ReactElement {
  const theme = useTheme();
  const width = useModalWidth();
  const [problem, setProblem] = useState<string | undefined>(undefined);
  const [busy, setBusy] = useState(false);
  const { shown, isWhole } = useModalScroll(facts(request, width));
  const enter = (text: string) => {
    if (busy || text === '') return;
    if (!isWhole) return setProblem('there is more to read: ↓');
    if (proven && text !== 'sign') return setProblem('type the word sign, or esc');
    setBusy(true);
    sign(proven ? undefined : text).then(
      () => done(true),
      (error) => {
        setBusy(false);
        const again = isFitError(error) && (error.code === 'wrong-passphrase' || error.code === 'rate-limited');
        setProblem(`${wordsOf(error)}: nothing was signed`);
        if (!again) setTimeout(() => done(false), 0);
      },
    );
  };
  return (
    <ModalFrame title={`Sign? ${voice.peer(request.title, 50)}`}>
      <ModalLines lines={shown} />
      {problem === undefined ? null : <ModalLine look={theme.bad}>{problem}</ModalLine>}
      <Field
        label={proven ? 'type sign' : 'passphrase'}
        secret={!proven}
        width={width}
        onEnter={enter}
        onEscape={() => !busy && done(false)}
      />
      <ModalKeys>{busy ? 'signing…' : `esc no · ↵ ${verb}`}</ModalKeys>
    </ModalFrame>
  );
}

/** True if it was signed. The proof and the grant are `sign`'s. */
export function askToSign(
  ui: Pick<Ui, 'modals' | 'session'>,
  request: ApprovalRequest,
  verb: string,
  sign: (passphrase: string | undefined) => Promise<void>,
): Promise<boolean> {
  const proven = ui.session.snapshot().isProven;
  return ui.modals.show<boolean>((done) => (
    <Sign request={request} verb={verb} proven={proven} sign={sign} done={done} />
  ));
}

function Incoming({
  request,
  done,
}: {
  readonly request: ApprovalRequest;
  readonly done: (what: 'read' | 'refuse' | 'later') => void;
}): ReactElement {
  const { shown } = useModalScroll(facts(request, useModalWidth()));
  useKeys([
    { keys: ['r', 'enter'], run: () => done('read') },
    { keys: ['x'], run: () => done('refuse') },
    { keys: ['escape'], run: () => done('later') },
  ]);
  return (
    <ModalFrame title={`A program asks for your signature: ${voice.peer(request.title, 40)}`}>
      <ModalLines lines={shown} />
      <ModalKeys>r read it, then decide · x refuse · esc later</ModalKeys>
    </ModalFrame>
  );
}

export function askAboutRequest(
  ui: Pick<Ui, 'modals'>,
  request: ApprovalRequest,
): Promise<'read' | 'refuse' | 'later'> {
  return ui.modals.show((done) => <Incoming request={request} done={done} />);
}
