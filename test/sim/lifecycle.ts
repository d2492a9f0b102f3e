/**
 * What happens to an honest trader's daemon rather than in an exchange: it starts again, runs locked, is restored from a
 * backup; and what persons do beside the orders of an exchange.
 */
import { isFinal, step } from '../../src/exchange/party.ts';
import { arbiterNow } from './court.ts';
import type { Step } from './moves.ts';
import { careful, clockOf, insideMargin, perform, tableFor } from './shell.ts';
import { request } from './terms.ts';
import {
  type Account,
  alterAccount,
  alterCell,
  type Cell,
  draftOf,
  IDLE,
  layoutOf,
  type Seat,
  type State,
  TIMES,
  withTerm,
} from './world.ts';

/** A restored originator without message 2 asks how things stand. */
export function askStatus(at: Step, s: State, seat: Seat): void {
  if (!careful(at, s.cells[seat.index] as Cell)) return;
  const next = draftOf(s);
  next.asked = withTerm(s.asked, request('status', seat.exchange, seat.name));
  at.emit('own', seat.name, () => `${seat.name} asks the status of ${seat.exchange.xid}`, next);
}

/** A daemon that runs locked has the request that was signed before, and sends it when the margin comes. */
export function sendLocked(at: Step, s: State, seat: Seat): void {
  const { stored } = s.cells[seat.index] as Cell;
  if (stored === null || isFinal(stored.phase) || stored.resolve === null) return;
  if (!insideMargin(clockOf(at.world, s, seat))) return;
  const next = draftOf(s);
  next.asked = withTerm(s.asked, stored.resolve);
  at.emit('own', seat.name, () => `${seat.name}, locked, sends the resolve request of ${seat.exchange.xid}`, next);
}

/** The daemon starts again, or is unlocked. */
export function resume(at: Step, s: State, party: number): void {
  const next = draftOf(s);
  next.down = s.down.with(party, false);
  for (const seat of layoutOf(at.world).seats) {
    const { state } = next.cells[seat.index] as Cell;
    if (seat.party !== party || state === null || !at.rules.resumes) continue;
    const now = at.rules.resumesByTable ? clockOf(at.world, next, seat) : 0;
    const [after, effects] = step(state, { kind: 'resumed', now }, tableFor(at, seat));
    alterCell(next, seat, { state: after });
    for (const effect of effects) perform(at, next, seat, effect);
  }
  at.emit('own', at.world.honest[party] ?? null, () => `${at.world.honest[party]} starts again`, next);
}

/** Persons: withdraw what was not used, and consent again when every earlier exchange of the text has ended. */
export function personMoves(at: Step, s: State): void {
  const { world } = at;
  const { accounts, seats } = layoutOf(world);
  accounts.forEach(({ name, document }, index) => {
    const account = s.accounts[index] as Account;
    const party = world.honest.indexOf(name);
    if (s.down[party]) return;
    if (world.persons === 'withdraw' && !account.withdrawn && account.used.length < account.granted) {
      const next = draftOf(s);
      alterAccount(next, index, { withdrawn: true });
      at.emit('person', name, () => `${name} withdraws the consent to ${document}`, next);
    }
    const used = account.used.length === account.granted;
    const ended = seats.every((seat) => {
      const phase = (s.cells[seat.index] as Cell).state?.phase ?? 'dropped';
      return seat.account !== index || phase === 'aborted' || phase === 'dropped';
    });
    if (used && ended && account.granted < world.consents) {
      const next = draftOf(s);
      alterAccount(next, index, { granted: account.granted + 1 });
      at.emit('person', name, () => `${name} consents to ${document} once more`, next);
    }
  });
}

/**
 * A backup from when it had promised is put back, and the daemon starts from it: before notAfter, since afterwards nobody could
 * help it any more to what it has lost.
 */
export function restore(at: Step, s: State, seat: Seat): void {
  const { backup, state } = s.cells[seat.index] as Cell;
  if (s.restores === 0 || arbiterNow(at.world, s) >= TIMES.notAfter || backup === null || state?.phase === 'promised')
    return;
  const next = draftOf(s);
  next.restores--;
  alterCell(next, seat, { ...IDLE, state: backup, stored: backup, backup, restored: true });
  next.down = s.down.with(seat.party, true);
  at.emit('crash', seat.name, () => `${seat.name} is restored from a backup`, next);
}
