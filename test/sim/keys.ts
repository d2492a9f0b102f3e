/**
 * Canonical keys: two states have the same key exactly if they are the same. Every part of a state gets a number by its
 * contents, and states share parts, so most of a key is looked up.
 */
import type { ArbiterState } from '../../src/exchange/arbiter.ts';
import type { PartyState } from '../../src/exchange/party.ts';
import type { Statement, Term } from './terms.ts';
import type { Account, Cell, Court, Numbered, State } from './world.ts';

const byText = new Map<string, number>();

function numberOfText(text: string): number {
  let number = byText.get(text);
  if (number === undefined) {
    number = byText.size;
    byText.set(text, number);
  }
  return number;
}

/** For what the machines make, and for lists: remembered aside. */
const aside = new WeakMap<object, number>();

function numberOf<P extends object>(part: P, textOf: (part: P) => string): number {
  let number = aside.get(part);
  if (number === undefined) {
    number = numberOfText(textOf(part));
    aside.set(part, number);
  }
  return number;
}

/** For what the explorer makes: remembered in the part. */
function numbered<P extends Numbered>(parts: readonly P[], textOf: (part: P) => string): string {
  let text = '';
  for (const part of parts) {
    part.number ??= numberOfText(textOf(part));
    text += `${part.number},`;
  }
  return text;
}

const id = (term: Term | null): string => (term === null ? '' : String(term.id));
const terms = (list: readonly Term[]): string => `T${list.map(id).join('.')}`;

function party(state: PartyState<Term>): string {
  const { role, phase, promise, release, peerPromise, resolve, contract, token, proof, via } = state;
  const held = [promise, release, peerPromise, resolve, contract, token, proof].map(id).join('.');
  return `P${role}.${phase}.${held}.${via ?? ''}`;
}

const partyNumber = (state: PartyState<Term> | null): number => (state === null ? -1 : numberOf(state, party));

function arbiter({ phase, token, answer, cause, until }: ArbiterState<Statement>): string {
  return `A${phase}.${id(token)}.${id(answer)}.${cause ?? ''}.${until ?? ''}`;
}

function cell({ state, stored, backup, statements, heard, ...flags }: Cell): string {
  const { patience, deadline, checking, restored, late, unconsented } = flags;
  const bits = [patience, deadline, checking, restored, late, unconsented].map(Number).join('');
  return `C${[state, stored, backup].map(partyNumber).join('.')}~${bits}~${terms(statements)}~${terms(heard)}`;
}

function court({ stored, openings, here }: Court): string {
  const open = openings.map((one) => `${one.by}${id(one.o)}.${id(one.r)}.${numberOf(one.seen, arbiter)}`).sort();
  return `K${numberOf(stored, arbiter)}~${open.join('+')}${here ? 'h' : ''}`;
}

const account = ({ granted, used, withdrawn }: Account): string =>
  `U${granted}${withdrawn ? 'w' : ''}${used.join('.')}`;

export function keyOf(s: State): string {
  const parts = `${numbered(s.cells, cell)}.${numbered(s.courts, court)}.${numbered(s.accounts, account)}`;
  const pools = `${numberOf(s.sent, terms)}.${numberOf(s.asked, terms)}.${numberOf(s.replies, terms)}`;
  let rest = `${s.arbiterClock}${s.restores}`;
  for (const reading of s.clocks) rest += reading;
  for (const down of s.down) rest += down ? 'd' : 'u';
  for (const left of s.crashes) rest += left;
  return `${parts}.${pools}.${rest}`;
}
