/**
 * Everything that is not an honest party's own doing: the network, the clocks, crashes, and the corrupt trader, who makes
 * good, odd, junk and simulated promises for itself at any time, knows all that was ever sent, signs requests with its own
 * key, uses and hands on the arbiter's answers, and offers any message of any exchange and role to anybody.
 */
import { arbiterNow, bring, crashArbiter, decidedOrReceived, finish, lie, prune, serve } from './court.ts';
import { askStatus, personMoves, restore, resume, sendLocked } from './lifecycle.ts';
import type { Step } from './moves.ts';
import { opens } from './rules.ts';
import { crash, hear, ownMoves, receive } from './shell.ts';
import {
  complaint,
  contentOf,
  declined,
  type Exchange,
  type Name,
  other,
  type PromiseTerm,
  promiseOf,
  proofOf,
  type RequestTerm,
  type Role,
  reply,
  request,
  show,
  signatureOf,
  type Term,
  token,
} from './terms.ts';
import {
  arbiterTimes,
  type Cell,
  type Court,
  delivers,
  draftOf,
  layoutOf,
  partyTimes,
  retentionOf,
  type Seat,
  type State,
  TIMES,
  type World,
} from './world.ts';

/** What a corrupt trader can make at any time, before it has heard anything. */
interface Made {
  readonly messages: readonly Term[];
  readonly promises: ReadonlyMap<string, readonly PromiseTerm[]>;
}

const made = new WeakMap<World, Made>();

function noncesOf(world: World, x: Exchange): readonly string[] {
  return world.variants ? [`${x.xid}/1`, `${x.xid}/2`] : [`${x.xid}/1`];
}

function make(world: World): Made {
  const messages: Term[] = [];
  const promises = new Map<string, PromiseTerm[]>();
  for (const x of world.exchanges) {
    for (const role of ['O', 'R'] as const) {
      if (world.honest.includes(x[role])) continue;
      const own = noncesOf(world, x).map((nonce) => promiseOf(x, role, 'genuine', nonce));
      if (world.variants) own.push(promiseOf(x, role, 'odd', `${x.xid}/1`));
      own.push(promiseOf(x, role, 'junk', `${x.xid}/1`), promiseOf(x, role, 'simulated', `${x.xid}/1`));
      promises.set(x.xid + role, own);
      messages.push(...own, ...noncesOf(world, x).map((nonce) => signatureOf(x, role, nonce)));
      messages.push(declined(x.xid, x[role]));
    }
  }
  return { messages, promises };
}

function madeIn(world: World): Made {
  let have = made.get(world);
  if (have === undefined) {
    have = make(world);
    made.set(world, have);
  }
  return have;
}

/** The requests that corrupt parties can sign now: they depend on what was sent, and on nothing else. */
function requests(at: Step, s: State): readonly RequestTerm[] {
  let list = at.requests.get(s.sent);
  if (list === undefined) {
    list = signable(at, s);
    at.requests.set(s.sent, list);
  }
  return list;
}

function signable({ world, rules }: Step, s: State): readonly RequestTerm[] {
  const list: RequestTerm[] = [];
  const seen = new Set<string>();
  for (const x of world.exchanges) {
    for (const role of ['O', 'R'] as const) {
      const own = madeIn(world).promises.get(x.xid + role);
      if (own === undefined) continue;
      const by = x[role];
      list.push(request('abort', x, by), request('status', x, by));
      for (const mine of own) {
        for (const peers of peerPromises(world, s, x, other(role))) {
          const both = role === 'O' ? { o: mine, r: peers } : { o: peers, r: mine };
          // What opens to the same is the same request.
          const key = `${x.xid}${by}${opens(rules, x, 'O', both.o)?.id}.${opens(rules, x, 'R', both.r)?.id}`;
          if (!seen.has(key)) list.push(request('resolve', x, by, both));
          seen.add(key);
        }
      }
    }
  }
  return list;
}

/** The key of wrong content: one's own, sent, or told a corrupt party by the arbiter. */
function isWrongAndKnown(world: World, s: State, x: Exchange, role: Role): boolean {
  if (contentOf(x, role) !== 'wrong') return false;
  const made = signatureOf(x, role);
  if (!world.honest.includes(x[role]) || s.sent.includes(made)) return true;
  const receiver = other(role);
  const told = (term: Term): boolean =>
    term.kind === 'reply' && term.to === receiver && term.statement.kind === 'key' && term.statement.made === made;
  return !world.honest.includes(x[receiver]) && s.replies.some(told);
}

/** Proofs that corrupt parties can file: invented ones, and of every wrong content whose key they have. */
function complaints(world: World, s: State): readonly RequestTerm[] {
  if (!delivers(world)) return [];
  const known = world.exchanges.flatMap((x) =>
    (['O', 'R'] as const)
      .filter((role) => isWrongAndKnown(world, s, x, role))
      .map((role) => proofOf(x, role, 'genuine')),
  );
  return world.exchanges.flatMap((x) =>
    (['O', 'R'] as const)
      .filter((role) => !world.honest.includes(x[role]))
      .flatMap((role) => {
        const invented = contentOf(x, other(role)) === null ? [] : [proofOf(x, other(role), 'invented')];
        return [...invented, ...known].map((proof) => complaint(x, x[role], proof));
      }),
  );
}

/** Good promises of the peer that went out, from any exchange and role; and one forged with the own verifier key. */
function peerPromises(world: World, s: State, x: Exchange, role: Role): PromiseTerm[] {
  const list: PromiseTerm[] = [];
  const corrupt = madeIn(world).promises.get(x.xid + role);
  if (corrupt !== undefined) return [...corrupt];
  for (const term of s.sent) if (term.kind === 'promise' && term.by === x[role]) list.push(term);
  list.push(promiseOf(x, role, 'simulated', `${x.xid}/0`));
  return list;
}

function deliveries(at: Step, s: State, seat: Seat): void {
  const peer = seat.exchange[other(seat.role)];
  for (const term of s.sent) receive(at, s, seat, term, 'network', () => show(term));
  for (const term of madeIn(at.world).messages) receive(at, s, seat, term, 'adversary', () => show(term));
  // A corrupt arbiter says what it likes; an honest party never has one.
  if (seat.exchange.T !== 't') hear(at, s, seat, reply(seat.role, token(seat.exchange.xid)), 'adversary');
  for (const term of s.replies) {
    if (term.kind !== 'reply') continue;
    if (term.to === seat.role) hear(at, s, seat, term, 'arbiter');
    else if (!at.world.honest.includes(peer)) hear(at, s, seat, term, 'adversary');
  }
}

/** Who owes the arbiter a request, since before the margin, that it cannot do without. */
export function owes(world: World, s: State, seat: Seat): boolean {
  const { state, late } = s.cells[seat.index] as Cell;
  if (late || seat.exchange.T !== 't') return false;
  const phase = state?.phase ?? 'dropped';
  if (phase === 'contracted') return false;
  const bound = seat.role === 'O' ? s.sent.includes(seat.signature) : phase === 'promised' || phase === 'resolving';
  return bound && !decidedOrReceived(world, s, seat.court, seat.role);
}

function clocks(at: Step, s: State): void {
  const { world } = at;
  const last = partyTimes(world).length - 1;
  s.clocks.forEach((reading, party) => {
    if (reading === last || world.clock === 'stopped') return;
    const next = draftOf(s);
    next.clocks = s.clocks.with(party, reading + 1);
    at.emit('clock', null, () => `the clock of ${world.honest[party]} goes on`, next);
  });
  const reading = nextReading(world, s);
  if (reading === null) return;
  const from = arbiterNow(world, s);
  const to = arbiterTimes(world)[reading] as number;
  const { seats } = layoutOf(world);
  const over = endingBy(s, to);
  if (world.attends && seats.some((seat) => over.includes(seat.court) && receives(seat) && waits(s, seat))) return;
  if (from < TIMES.notAfter && to >= TIMES.notAfter) {
    if (s.clocks.some((one) => one !== last)) return;
    if (world.punctual !== 'none' && seats.some((seat) => owes(world, s, seat))) return;
  }
  // Whoever may still need an answer asks for it before it is forgotten.
  const forgets = to >= TIMES.notAfter + retentionOf(world);
  if (forgets && seats.some((seat) => waits(s, seat))) return;
  const next = draftOf(s);
  next.arbiterClock = reading;
  const passes = forgets
    ? 'retention'
    : from < TIMES.notAfter && to >= TIMES.notAfter
      ? 'notAfter'
      : 'the end of a window';
  at.emit(over.length > 0 ? 'window' : 'clock', null, () => `the arbiter's clock passes ${passes}`, next);
}

const receives = ({ exchange, role }: Seat): boolean => contentOf(exchange, other(role)) !== null;

/** The courts whose open windows have ended at that time. */
function endingBy(s: State, time: number): readonly number[] {
  return s.courts.flatMap(({ stored }, court) =>
    stored.phase === 'pending' && (stored.until ?? 0) <= time ? [court] : [],
  );
}

/** Windows are all that anybody waits for between the times that every exchange has: without one that ends, none is there. */
function nextReading(world: World, s: State): number | null {
  const times = arbiterTimes(world);
  const fixed = [TIMES.notAfter, TIMES.notAfter + retentionOf(world)];
  for (let reading = s.arbiterClock + 1; reading < times.length; reading++) {
    const time = times[reading] as number;
    if (fixed.includes(time) || endingBy(s, time).some((court) => endsAfter(s, court, arbiterNow(world, s))))
      return reading;
  }
  return null;
}

const endsAfter = (s: State, court: number, time: number): boolean =>
  ((s.courts[court] as Court).stored.until ?? 0) > time;

function waits(s: State, seat: Seat): boolean {
  const phase = (s.cells[seat.index] as Cell).stored?.phase ?? 'dropped';
  return phase !== 'contracted' && phase !== 'aborted' && phase !== 'dropped';
}

function crashes(at: Step, s: State): void {
  at.world.honest.forEach((name, party) => {
    if (s.down[party]) resume(at, s, party);
    else if ((s.crashes[party] as number) > 0 && isBusy(at.world, s, party)) {
      const next = draftOf(s);
      crash(at.world, next, party);
      at.emit('crash', name, () => `${name} crashes`, next);
    }
  });
  if ((s.crashes.at(-1) as number) > 0 && s.courts.some((court) => court.openings.length > 0 || court.here)) {
    const next = draftOf(s);
    crashArbiter(next);
    at.emit('crash', null, () => 'the arbiter crashes', next);
  }
}

/** A crash of a party that has nothing under way changes nothing. */
function isBusy(world: World, s: State, party: number): boolean {
  return layoutOf(world).seats.some((seat) => seat.party === party && (s.cells[seat.index] as Cell).state !== null);
}

/**
 * Who has asked for a full check brings the ciphertext, as often as the arbiter has lost it. Locked, a receiver can, which has it
 * on its disk; the sender makes it with its key.
 */
function bringAsked(at: Step, s: State, seat: Seat): void {
  const { resolve, phase } = (s.cells[seat.index] as Cell).stored ?? {};
  // Who gives up what its disk has lost has nothing to bring.
  if (!resolve || !s.asked.includes(resolve) || !waits(s, seat) || phase === 'waiving') return;
  if (s.down[seat.party] && seat.role === 'O') return;
  bring(at, s, seat.court, 'own', seat.name);
}

/** All steps that the world can take from here. */
export function moves(at: Step, s: State): void {
  const { world } = at;
  for (const seat of layoutOf(world).seats) {
    bringAsked(at, s, seat);
    if (s.down[seat.party]) {
      sendLocked(at, s, seat);
      continue;
    }
    ownMoves(at, s, seat);
    if (world.restores > 0) {
      restore(at, s, seat);
      askStatus(at, s, seat);
    }
    deliveries(at, s, seat);
  }
  personMoves(at, s);
  if (world.arbiter === 'lying') lie(at, s);
  else {
    const isHonest = (name: Name): boolean => world.honest.includes(name);
    for (const asked of s.asked) if (asked.kind === 'request' && isHonest(asked.by)) serve(at, s, asked, 'arbiter');
    for (const asked of [...requests(at, s), ...complaints(world, s)]) serve(at, s, asked, 'adversary');
    world.exchanges.forEach((x, index) => {
      if (!isHonest(x.O) || !isHonest(x.R)) bring(at, s, index, 'adversary', null);
    });
    s.courts.forEach((court, index) => {
      for (const opening of court.openings) finish(at, s, index, opening);
    });
    prune(at, s);
  }
  clocks(at, s);
  crashes(at, s);
}
