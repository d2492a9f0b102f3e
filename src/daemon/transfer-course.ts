/** What the course of a transfer adds to the log of its deal, sends, and does to the consent that it rests on. */
import { type Deal, reduce, tipOf } from '../commerce/deal.ts';
import { makeTransaction, type Payload } from '../commerce/transaction.ts';
import { TOLD_FAULTS, type TransferFault, type TransferState } from '../exchange/transfer.ts';
import { encodeTransferMessage, type TransferMessage } from '../exchange/transfer-messages.ts';
import { transferId } from '../exchange/transfer-record.ts';
import { present } from '../lib/assert.ts';
import { equal } from '../lib/bytes.ts';
import type { Letter } from './outbox.ts';
import { documentOf, type Transfer } from './transfer-store.ts';

/** Why it failed, as each side's history says it. */
const REASONS: Readonly<Record<TransferFault, readonly [sender: string, receiver: string]>> = {
  'wrong-content': [
    'the receiver found that the content is not what your note names: it kept nothing and gave no receipt',
    'the content is not what its sender named: nothing of it was kept, and no receipt was given',
  ],
  'wrong-key': [
    'the receiver was sent a key that is not that of the content',
    'the sender gave a key that is not that of the content: nothing was opened, and no receipt was given',
  ],
  'wrong-origin': [
    'the receiver was sent something that is not your statement of origin',
    'the sender gave no statement of origin that verifies: nothing was opened, and no receipt was given',
  ],
  ended: [
    'the receiver gave it up: it kept nothing and gave no receipt; the key had left',
    'you gave it up: nothing of it is here, and nothing was signed',
  ],
  refused: ['the receiver does not take it any more; the key had left', ''],
  'bad-receipt': ['the receiver has the key and sent no receipt that verifies', ''],
  'given-up': ['you did not wait any longer; the key had left, and no answer had come', ''],
};

function payloadsOf(
  { record }: Transfer,
  state: TransferState<Uint8Array>,
): readonly (readonly ['us' | 'them', Payload])[] {
  const { document } = record;
  const of = (kind: 'acceptance' | 'release' | 'key' | 'complaint' | 'completion' | 'end') =>
    ({ kind, document, xid: transferId(record) }) as const;
  const { side, phase, fault } = state;
  switch (phase) {
    case 'ready':
    case 'waiting':
      return [];
    case 'keyed':
      return [
        ['them', of('acceptance')],
        ['us', of('release')],
      ];
    case 'opening':
      return [
        ['us', of('acceptance')],
        ['them', of('key')],
      ];
    case 'completed':
      return [[side === 'sender' ? 'them' : 'us', of('completion')]];
    case 'failed': {
      const [sender, receiver] = REASONS[present(fault, 'why it failed')];
      const wrong = fault === 'wrong-content';
      return [
        ...(wrong ? [[side === 'sender' ? 'them' : 'us', of('complaint')] as const] : []),
        ['us', of('end')],
        ['us', { kind: 'failure', document, text: side === 'sender' ? sender : receiver }],
      ];
    }
  }
}

/** The deal once the state is recorded. `time`: seconds since 1970. */
export function dealAfter(deal: Deal, transfer: Transfer, state: TransferState<Uint8Array>, time: number): Deal {
  const { document } = transfer.record;
  const parent = deal.versions.find((version) => equal(version.document, document))?.transaction ?? tipOf(deal);
  return payloadsOf(transfer, state).reduce((before, [who, payload]) => {
    const by = who === 'us' ? deal.us : deal.them;
    // The clock has been asked when it was admitted; what does not fit (an end of nothing that had begun) is not said.
    const reduction = reduce(before, makeTransaction({ deal: deal.id, parent, by, time, payload }), 0);
    return reduction.ok ? reduction.deal : before;
  }, deal);
}

const REF = /^t\/([^/]+)\/([0-9a-f]{64})\/key$/;

/** Of a letter that carries a key: what it is about. */
export function keyLetter(ref: string): { readonly deal: string; readonly document: string } | undefined {
  const [, deal, document] = REF.exec(ref) ?? [];
  return deal === undefined || document === undefined ? undefined : { deal, document };
}

export function transferLetter(
  transfer: Transfer,
  state: TransferState<Uint8Array>,
  effect: 'sendKey' | 'sendDone' | 'sendFault',
): Letter {
  const { record, peer } = transfer;
  const about = { deal: record.deal, document: record.document, id: transferId(record) };
  const messages: Record<typeof effect, () => TransferMessage> = {
    sendKey: () => ({ ...about, kind: 'transfer-key', key: present(state.key, 'key'), origin: state.origin }),
    sendDone: () => ({ ...about, kind: 'transfer-done', receipt: state.receipt }),
    sendFault: () => {
      const told = TOLD_FAULTS.find((one) => one === state.fault);
      return { ...about, kind: 'transfer-fault', fault: present(told, 'a fault that is told') };
    },
  };
  return {
    to: peer,
    protocol: '/fit/exchange/1',
    body: encodeTransferMessage(messages[effect]()),
    ref: `t/${record.deal}/${documentOf(transfer)}/${effect === 'sendKey' ? 'key' : 'answer'}`,
    until: null,
  };
}
