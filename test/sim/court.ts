/** The symbolic shell of the arbiter: opens escrows, stores before it answers, forgets openings in a crash. */
import { type ArbiterEffect, type ArbiterInput, stepArbiter } from '../../src/exchange/arbiter.ts';
import type { Actor, Step } from './moves.ts';
import { opens, provesWrong } from './rules.ts';
import {
  type AnswerTerm,
  answer,
  certification,
  type Exchange,
  keyOut,
  type Name,
  other,
  type RequestTerm,
  type Role,
  reply,
  type SignatureTerm,
  type Statement,
  type Term,
  token,
  voidToken,
} from './terms.ts';
import {
  alterCourt,
  arbiterTimes,
  type Court,
  countCrash,
  courseOf,
  draftOf,
  FRESH_COURT,
  type Opening,
  retentionOf,
  type State,
  TIMES,
  WINDOW,
  type World,
  withTerm,
} from './world.ts';

export const arbiterNow = (world: World, s: State): number => arbiterTimes(world)[s.arbiterClock] as number;

interface Case {
  readonly x: Exchange;
  readonly court: number;
  readonly actor: Actor;
  readonly whose: Name | null;
  readonly label: () => string;
  /** What the two escrows hold. */
  readonly opened: Pick<Opening, 'o' | 'r'>;
}

function perform(at: Step, s: State, { x, court, opened }: Case, effect: ArbiterEffect<Statement>): void {
  switch (effect.kind) {
    case 'record':
      alterCourt(s, court, { stored: effect.state, here: false });
      return;
    case 'open': {
      const { openings, stored } = s.courts[court] as Court;
      const opening: Opening = { by: effect.by, o: opened.o, r: opened.r, seen: stored };
      alterCourt(s, court, { openings: [...openings, opening] });
      if (!at.rules.keyWhenStored && effect.by === 'R' && opened.o !== null)
        s.replies = withTerm(s.replies, reply('R', keyOut(x.xid, opened.o)));
      return;
    }
    case 'answer': {
      const afresh =
        !at.rules.answersFromStore && effect.verdict === 'resolved' && opened.o !== null && opened.r !== null;
      const value = afresh ? answer(x.xid, opened.o, opened.r) : (effect.value ?? token(x.xid));
      s.replies = withTerm(s.replies, reply(effect.to, value));
      return;
    }
    case 'released': {
      const { o, r } = effect.value as AnswerTerm;
      const theirs = (effect.to === 'R' ? o : r) as SignatureTerm;
      s.replies = withTerm(s.replies, reply(effect.to, keyOut(x.xid, theirs)));
      return;
    }
    case 'pending': {
      const { answer: kept } = (s.courts[court] as Court).stored;
      if (!at.rules.receiptHeldBack && kept !== null) s.replies = withTerm(s.replies, reply(effect.to, kept));
      return;
    }
    case 'refuse': {
      const [own, peers] = effect.to === 'O' ? [opened.o, opened.r] : [opened.r, opened.o];
      const telling = !at.rules.refusalsTellNothing && own === null && peers !== null;
      if (telling) s.sent = withTerm(s.sent, certification(x.xid, other(effect.to)));
      return;
    }
    case 'wanted':
    case 'unknown':
    case 'undecided':
      return;
  }
}

function give(at: Step, s: State, it: Case, from: Court['stored'], input: ArbiterInput<Statement>): void {
  const { rules, world } = at;
  const { xid } = it.x;
  const course = courseOf(it.x);
  const full = it.x.full && rules.fullWithoutWindow;
  const window = course === 'contract' || full ? 0 : rules.windowStaysOpen ? WINDOW : -WINDOW;
  const times = {
    notAfter: TIMES.notAfter,
    retention: retentionOf(world),
    window,
    bothGive: course === 'swap' && rules.bothGive,
    full,
  };
  const ports = {
    token: (): Statement => token(xid, rules.tokensSigned),
    voidToken: (): Statement => voidToken(xid, rules.tokensSigned),
  };
  const table = course === 'contract' ? rules.arbiter : rules.contentArbiter;
  const [after, effects] = stepArbiter<Statement>(ports, times, from, input, table);
  at.taken?.add(
    `${course === 'swap' ? 'delivery' : course} arbiter ${from.phase} ${input.kind} ${after.phase} ${effects.length}`,
  );
  // Said before: nothing new.
  const again = (effect: ArbiterEffect<Statement>): boolean =>
    (effect.kind === 'answer' && effect.value !== null && s.replies.includes(reply(effect.to, effect.value))) ||
    (effect.kind === 'released' && s.replies.some((one) => isKeyOf(one, xid, effect.to))) ||
    (effect.kind === 'pending' && rules.receiptHeldBack);
  if (input.kind !== 'opened' && at.rules.answersFromStore && effects.every(again)) return;
  const upTo = (count: number): State => {
    const next = draftOf(s);
    for (const effect of effects.slice(0, count)) perform(at, next, it, effect);
    return next;
  };
  at.emit(it.actor, it.whose, it.label, upTo(effects.length));
  const left = s.crashes.at(-1) as number;
  if (left === 0) return;
  for (let count = 1; count < effects.length; count++) {
    const next = upTo(count);
    crashArbiter(next);
    at.emit('crash', null, () => `${it.label()}, the arbiter crashes after ${effects[count - 1]?.kind}`, next);
  }
}

const isKeyOf = (term: Term, xid: string, to: Role): boolean =>
  term.kind === 'reply' && term.to === to && term.statement.kind === 'key' && term.statement.xid === xid;

export function crashArbiter(s: State): void {
  s.courts.forEach((court, index) => {
    if (court.openings.length > 0 || court.here) alterCourt(s, index, { openings: [], here: false });
  });
  countCrash(s, s.crashes.length - 1);
}

/** As whom the arbiter hears this signer: as the party that X names, or not at all. */
function roleOf(at: Step, x: Exchange, asked: RequestTerm): Role | null {
  if (!at.rules.abortTiedToRecord && asked.what === 'abort') return 'O';
  if (!at.rules.onlyReceiverComplains && asked.what === 'misbehaviour') return 'R';
  return asked.by === x.O ? 'O' : asked.by === x.R ? 'R' : null;
}

export function serve(at: Step, s: State, asked: RequestTerm, actor: Actor): void {
  const court = at.world.exchanges.findIndex((x) => x.xid === asked.xid);
  const x = at.world.exchanges[court] as Exchange;
  const by = roleOf(at, x, asked);
  const { stored, openings, here } = s.courts[court] as Court;
  const now = arbiterNow(at.world, s);
  if (by === null || x.T !== 't') return;
  if (at.rules.expiryWaits && now >= TIMES.notAfter && openings.length > 0) return;
  if (asked.what === 'resolve' && stored.phase === 'none' && openings.some((one) => one.by === by)) return;
  const label = (): string => `the arbiter serves ${asked.what}(${x.xid}) by ${asked.by}`;
  const opened = { o: opens(at.rules, x, 'O', asked.o), r: opens(at.rules, x, 'R', asked.r) };
  const it: Case = { x, court, actor, whose: asked.by, label, opened };
  const input: ArbiterInput<Statement> =
    asked.what === 'misbehaviour'
      ? { kind: asked.what, by, valid: provesWrong(at.rules, x, by, asked.proof), now }
      : asked.what === 'resolve' && x.full
        ? { kind: asked.what, by, uploaded: here || !at.rules.needsCiphertext, now }
        : { kind: asked.what, by, now };
  give(at, s, it, stored, input);
}

/** An opening ends. */
export function finish(at: Step, s: State, court: number, opening: Opening): void {
  const x = at.world.exchanges[court] as Exchange;
  const { o, r } = opening;
  const [keptO, keptR] = at.rules.storesBoth ? [o, r] : opening.by === 'O' ? [null, r] : [o, null];
  const made = o === null || r === null ? null : answer(x.xid, keptO, keptR, at.rules.answersSigned);
  const next = draftOf(s);
  const { stored, openings, here } = s.courts[court] as Court;
  alterCourt(next, court, { openings: openings.filter((one) => one !== opening) });
  const label = (): string => `the arbiter ends the opening for ${opening.by} in ${x.xid}`;
  const it: Case = { x, court, actor: 'arbiter', whose: null, label, opened: opening };
  const from = at.rules.lock ? stored : opening.seen;
  const now = arbiterNow(at.world, s);
  const content = x.full ? { content: comparison(at, x, here) } : {};
  give(at, next, it, from, { kind: 'opened', by: opening.by, answer: made, ...content, now });
}

/** Whatever is brought fits the root in X, or is not taken; so what it opens to is what O delivers. */
function comparison({ rules }: Step, x: Exchange, here: boolean): 'right' | 'wrong' | 'missing' {
  if (!here) return rules.needsCiphertext ? 'missing' : 'right';
  return rules.looks && x.content === 'wrong' ? 'wrong' : 'right';
}

/** Brings the ciphertext: who has asked, and whoever is corrupt at any time. */
export function bring(at: Step, s: State, court: number, actor: Actor, whose: Name | null): void {
  const x = at.world.exchanges[court] as Exchange;
  const { stored, here } = s.courts[court] as Court;
  if (!x.full || here || stored.phase !== 'none' || x.T !== 't') return;
  const next = draftOf(s);
  alterCourt(next, court, { here: true });
  at.emit(actor, whose, () => `the ciphertext of ${x.xid} is brought to the arbiter`, next);
}

/** After retention the record may go. */
export function prune(at: Step, s: State): void {
  if (arbiterNow(at.world, s) < TIMES.notAfter + retentionOf(at.world)) return;
  s.courts.forEach(({ stored }, court) => {
    if (stored.phase === 'none') return;
    const next = draftOf(s);
    alterCourt(next, court, { stored: FRESH_COURT });
    at.emit('clock', null, () => `the arbiter prunes ${at.world.exchanges[court]?.xid}`, next);
  });
}

/** A lying arbiter signs a token whenever it likes, and an answer when it has been sent both promises. */
export function lie(at: Step, s: State): void {
  at.world.exchanges.forEach((x) => {
    const made: Statement[] = [token(x.xid, at.rules.tokensSigned)];
    if (x.content !== null) made.push(voidToken(x.xid, at.rules.tokensSigned));
    for (const asked of s.asked) {
      if (asked.kind !== 'request' || asked.xid !== x.xid || asked.what !== 'resolve') continue;
      const o = opens(at.rules, x, 'O', asked.o);
      const r = opens(at.rules, x, 'R', asked.r);
      if (o !== null && r !== null) made.push(answer(x.xid, o, r, at.rules.answersSigned));
    }
    for (const statement of made) {
      for (const to of ['O', 'R'] as const) {
        const next = draftOf(s);
        next.replies = withTerm(s.replies, reply(to, statement));
        at.emit('adversary', x[to], () => `the arbiter lies to ${to}: ${statement.kind}`, next);
      }
    }
  });
}

/** Does the assumption on punctuality let the arbiter's clock pass notAfter for this court now? */
export function decidedOrReceived(world: World, s: State, court: number, by: Role): boolean {
  const { stored, openings } = s.courts[court] as Court;
  if (stored.phase !== 'none') return true;
  return world.punctual === 'received' && openings.some((one) => one.by === by);
}
