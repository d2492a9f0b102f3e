/** Mutants of certified delivery (PROTOCOL §8, §13), in the form of `mutants.ts`. */
import { CONTENT_ARBITER } from '../../src/exchange/arbiter.ts';
import { RECEIVER, RESPONDER, SENDER } from '../../src/exchange/party.ts';
import * as worlds from './delivery-worlds.ts';
import { at, changed, type ExploredMutant } from './mutants.ts';

export const DELIVERY_MUTANTS: readonly ExploredMutant[] = [
  {
    name: 'a proof of wrong content is refused while nobody has resolved',
    world: worlds.againstReceiver,
    rules: {
      contentArbiter: changed(CONTENT_ARBITER, (row) =>
        at(row, 'none', 'misbehaviour') && row.when === 'proven' ? null : row,
      ),
    },
    killedBy: ['5'],
  },
  {
    name: 'the receiver of wrong content only walks away',
    world: worlds.againstReceiver,
    rules: {
      receiver: changed(RECEIVER, (row) =>
        at(row, 'opening', 'wrong') ? { ...row, to: 'aborted', effects: ['record'] } : row,
      ),
    },
    killedBy: ['2'],
    alone: ['W'],
  },
  {
    name: 'the window ends over a receiver that is online: its end compared the wrong way',
    world: worlds.againstReceiver,
    rules: { windowStaysOpen: false },
    killedBy: ['W'],
  },
  {
    name: 'the receipt is sent before the content is compared',
    world: worlds.againstReceiver,
    rules: { receiver: RESPONDER },
    killedBy: ['W'],
  },
  {
    name: 'the receipt is sent with the question whether the content is right',
    world: worlds.againstReceiver,
    rules: {
      receiver: changed(RECEIVER, (row) =>
        row.to === 'opening' ? { ...row, effects: ['record', 'sendRelease', 'checkContent'] } : row,
      ),
    },
    killedBy: ['10'],
    alone: ['W'],
  },
  {
    name: 'the sender may complain, and a receiver that only asked does not hear of it',
    world: worlds.againstReceiver,
    rules: {
      onlyReceiverComplains: false,
      receiver: changed(RECEIVER, (row) => (row.on === 'void' && row.from !== 'complaining' ? null : row)),
    },
    killedBy: ['5'],
  },
  {
    name: 'void is forgotten: answered, not stored, and resolved later',
    world: worlds.againstReceiver,
    rules: {
      contentArbiter: changed(CONTENT_ARBITER, (row) =>
        row.when === 'proven' ? { ...row, effects: ['answer'] } : row,
      ),
    },
    killedBy: ['10'],
    alone: ['1'],
  },
  {
    name: 'the sender is told of a pending exchange with the receipt',
    world: worlds.againstReceiver,
    rules: { receiptHeldBack: false },
    killedBy: ['10'],
    alone: ['1', 'W'],
  },
  {
    name: 'the receiver gets the key while nothing is stored',
    world: worlds.againstSender,
    rules: { keyWhenStored: false },
    killedBy: ['10'],
    alone: ['1', '2'],
  },
  {
    name: 'the key of an open window is taken for the end of the window',
    world: worlds.againstReceiver,
    rules: { keyIsNotFinal: false },
    killedBy: ['W'],
  },
  {
    name: 'who complains ends on a key that was under way',
    world: worlds.againstReceiver,
    rules: {
      receiver: [...RECEIVER, { from: 'complaining', on: 'key', to: 'contracted', effects: ['record'], why: 'mutant' }],
    },
    killedBy: ['W'],
  },
  {
    name: 'a party framed by an invented key',
    world: worlds.againstSender,
    rules: { proofNeedsOrigin: false },
    killedBy: ['12'],
  },
  {
    name: 'a proof of another exchange counts',
    world: worlds.foreignProof,
    rules: { proofBound: false },
    killedBy: ['12'],
  },
  {
    name: 'any proof counts: whoever complains is believed',
    world: worlds.againstSender,
    rules: {
      contentArbiter: changed(CONTENT_ARBITER, (row) => {
        const { when, ...rest } = row;
        return when === 'proven' ? rest : row;
      }),
    },
    killedBy: ['12'],
  },
  {
    name: 'what is pending stays so: nobody ends the window',
    world: worlds.againstSender,
    rules: {
      contentArbiter: changed(CONTENT_ARBITER, (row) => (row.when === 'windowOver' ? null : row)),
    },
    killedBy: ['5'],
  },
  {
    name: 'a proof of wrong content is refused while the window is open',
    world: worlds.againstReceiver,
    rules: {
      contentArbiter: changed(CONTENT_ARBITER, (row) =>
        row.from === 'pending' && row.when === 'proven' ? { ...row, to: 'pending', effects: ['answer'] } : row,
      ),
    },
    killedBy: ['5'],
  },
  {
    name: 'no window: resolved at once, as between signatures',
    world: worlds.againstReceiver,
    rules: {
      contentArbiter: changed(CONTENT_ARBITER, (row) => (row.when === 'bothOpened' ? { ...row, to: 'resolved' } : row)),
    },
    killedBy: ['W'],
  },
  {
    name: 'after a restart the receiver compares and complains no more',
    world: worlds.crashesReceiver,
    rules: { resumes: false },
    killedBy: ['5'],
  },
  {
    name: 'the receiver complains before it has recorded the proof',
    world: worlds.crashesReceiver,
    rules: {
      receiver: changed(RECEIVER, (row) =>
        at(row, 'opening', 'wrong') ? { ...row, effects: ['complain', 'record'] } : row,
      ),
    },
    killedBy: ['10'],
  },
  {
    name: 'a sender does not hear that its content was proven wrong',
    world: worlds.damaged,
    rules: { sender: changed(SENDER, (row) => (row.on === 'void' ? null : row)) },
    killedBy: ['5', 'L'],
  },
  {
    name: 'a receiver that has forgotten its complaint does not hear that the content was proven wrong',
    world: worlds.restoredReceiver,
    rules: {
      receiver: changed(RECEIVER, (row) => (row.on === 'void' && row.from !== 'complaining' ? null : row)),
    },
    killedBy: ['5'],
  },
  {
    name: 'a person who waits no longer for the content gives the receipt at once',
    world: worlds.againstReceiver,
    rules: {
      receiver: changed(RECEIVER, (row) =>
        at(row, 'opening', 'resolve') ? { ...row, to: 'contracted', effects: ['record', 'sendRelease'] } : row,
      ),
    },
    killedBy: ['W'],
  },
  {
    name: 'a person who waits no longer for the content is said to owe nothing',
    world: worlds.againstReceiver,
    rules: {
      receiver: changed(RECEIVER, (row) =>
        at(row, 'opening', 'resolve') ? { ...row, to: 'aborted', effects: ['record'] } : row,
      ),
    },
    killedBy: ['2'],
    alone: ['W'],
  },
  {
    name: 'the receiver never asks the arbiter, so it waits for a key that does not come',
    world: worlds.againstReceiver,
    rules: {
      receiver: changed(RECEIVER, (row) =>
        row.effects.includes('askResolve') ? { ...row, effects: ['record'] } : row,
      ),
    },
    killedBy: ['5'],
  },
];
