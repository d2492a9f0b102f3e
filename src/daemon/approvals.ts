/**
 * Who decides about a signature: a person who has proven the passphrase, a rule of the confirmed policy, or nobody yet, and
 * then a request waits (DESIGN §9).
 *
 * Guarantees: a request and its decision are in the audit log before the signature exists; a rule's totals are judged and
 * reserved in one turn, so that no order of requests exceeds them; what is granted is what was asked for, with the same
 * peer, arbiter and bytes, or nothing; no decision in time means no. What a peer's offers can make rules refuse, and the log
 * keep, is bounded: a refusal is recorded once for one text, and so many for one contact.
 */
import type { StoreOp } from '../archive/store.ts';
import type { Document } from '../commerce/document.ts';
import { toHex } from '../lib/bytes.ts';
import { FitError, isFitError } from '../lib/errors.ts';
import { createMutex } from '../lib/mutex.ts';
import { newId } from '../lib/rng.ts';
import type { Asker, ConsentSource } from '../rpc/approvals.ts';
import { createAllowance, OF_REFUSED_TEXTS } from './allowance.ts';
import { type Change, type Consent, MAX_PENDING } from './consents.ts';
import type { DealWrites } from './deal-writes.ts';
import { arbiterHashOf, factsOf, itemsOf, type Statement, statementFacts } from './facts.ts';
import type { Parts } from './parts.ts';
import type { Facts, Judgement } from './policy/port.ts';
import { createRequestView } from './request-view.ts';

/** On whose word something is to be signed. */
export interface Authority {
  /** How this connection proved the passphrase; null if it has not. */
  readonly source: ConsentSource | null;
  readonly asker: () => Promise<Asker>;
  /** The request is to wait for this connection's own decision; called with its id. */
  readonly hold?: (request: string) => void;
  /** Whoever asks does not stay: what nobody decides now is not to wait. */
  readonly fleeting?: boolean;
  /** The request that is being granted. */
  readonly granting?: Consent;
}

/** What rules look at: they need not know more of it. */
export type Subject =
  | {
      readonly kind: 'offer' | 'acceptance';
      readonly document: Document;
      /** SHA-256 of the peer's certificate, hex. */
      readonly peer: string;
    }
  | { readonly kind: 'statement'; readonly statement: Statement; readonly peer: '' };

const digestOf = (subject: Subject): string =>
  toHex(subject.kind === 'statement' ? subject.statement.digest : subject.document.digest);

const arbiterOf = (subject: Subject): string => (subject.kind === 'statement' ? '' : arbiterHashOf(subject.document));

/** One signature that is wanted: everything that could refuse it without a consent has been asked. */
export type Wanted = Subject & {
  readonly deal: string;
  /** SHA-256 of the arbiter's card, hex. */
  readonly arbiterCard: string;
  readonly base: string | null;
  /** End of the consent; a request ends no later than `latest`. */
  readonly expires: number;
  readonly latest: number;
  /** What a request needs to be granted later. */
  readonly keep: readonly StoreOp[];
};

/** Failures of a grant after which the request can never again be what it was. */
const MOVED_ON: ReadonlySet<string> = new Set(['wrong-state', 'not-found', 'arbiter-not-pinned', 'usage']);

export type Approvals = ReturnType<typeof createApprovals>;

export function createApprovals(parts: Parts, writes: DealWrites) {
  const { consents, contacts, policy, config, clock, events, rng } = parts;
  const { now } = writes;
  const judging = createMutex();
  const refusing = createAllowance(clock, OF_REFUSED_TEXTS);
  const view = createRequestView(parts);

  const factsFor = (subject: Subject): Facts => {
    if (subject.kind === 'statement') return statementFacts(subject.statement, now());
    const { kind, document, peer } = subject;
    const contact = contacts.of(peer);
    const arbiter = arbiterHashOf(document);
    const names = {
      peer: { contact: contact?.name ?? null, certificate: peer, attested: contact?.attested ?? false },
      arbiter: { contact: arbiter === '' ? null : (contacts.of(arbiter)?.name ?? null), certificate: arbiter },
    };
    return factsOf(kind, document, writes.us(), names, now());
  };

  const fresh = (wanted: Wanted, asker: Asker): Consent => ({
    id: newId(rng),
    kind: wanted.kind,
    deal: wanted.deal,
    document: digestOf(wanted),
    peer: wanted.peer,
    arbiter: arbiterOf(wanted),
    arbiterCard: wanted.arbiterCard,
    base: wanted.base,
    asker,
    asked: now(),
    why: '',
    expires: wanted.expires,
    status: 'granted',
    held: false,
    decision: null,
    amounts:
      wanted.kind === 'statement' ? [] : itemsOf(wanted.document, writes.us()).flatMap((item) => item.amount ?? []),
    usedAt: null,
    xid: null,
  });

  const byPerson = (source: ConsentSource) => ({ at: now(), source, rule: null, policy: null });

  /** A request that waits; the same question asked again is the same request. */
  const pend = async (wanted: Wanted, asker: Asker, why: string, held: boolean): Promise<Consent> => {
    const document = digestOf(wanted);
    const same = consents
      .of(wanted.deal)
      .find((one) => one.status === 'pending' && one.kind === wanted.kind && one.document === document && !one.held);
    if (same !== undefined && !held) return same;
    if (consents.pending().length >= MAX_PENDING)
      throw new FitError('busy', `${MAX_PENDING} requests wait for a person already`, { hint: 'fit approve list' });
    const expires = Math.min(now() + config.consent.expires, wanted.latest);
    const consent: Consent = { ...fresh(wanted, asker), status: 'pending', why, held, expires };
    await writes.record([consents.enter(consent, now())], wanted.keep);
    const contact = contacts.of(wanted.peer)?.name;
    if (!held)
      events.emit({
        kind: 'request',
        request: consent.id,
        ...(consent.deal === '' ? {} : { deal: consent.deal }),
        ...(contact === undefined ? {} : { contact }),
      });
    return consent;
  };

  /**
   * A rule's refusal, recorded. Said again about the same text it is the same refusal. Beyond the allowance nothing is
   * decided, so that the log has every decision: who asks is told to try later, and there is no signature either way.
   */
  const refuseByRule = async (consent: Consent, wanted: Wanted): Promise<void> => {
    const { kind, document, decision } = consent;
    const isSaid = consents
      .of(wanted.deal)
      .some(
        (one) =>
          one.status === 'refused' &&
          one.kind === kind &&
          one.document === document &&
          one.decision?.policy === decision?.policy &&
          one.decision?.rule === decision?.rule,
      );
    if (isSaid) return;
    if (!refusing.take(wanted.peer, 1))
      throw new FitError('busy', 'rules have refused too many texts with this contact already: nothing was signed', {
        hint: 'fit audit list; a contact that floods can be removed: fit contact remove',
      });
    await writes.record([consents.enter({ ...consent, status: 'refused' }, now())], wanted.keep);
  };

  const needsApproval = async (consent: Consent): Promise<FitError> =>
    new FitError('needs-approval', `this needs a person's approval: request ${consent.id} waits`, {
      hint: `fit approve grant ${consent.id}`,
      data: { request: await view(consent) },
    });

  const stillPending = (consent: Consent): Consent => {
    const found = consents.get(consent.id);
    if (found?.status === 'pending' && now() < found.expires) return found;
    const is = found === undefined || found.status === 'pending' ? 'expired' : found.status;
    throw new FitError('wrong-state', `this request is not open any more: it is ${is}`, { hint: 'fit approve list' });
  };

  /** What was asked for is what is about to be signed. */
  const checkSame = (consent: Consent, wanted: Wanted): void => {
    const { kind, peer } = wanted;
    const found = [kind, digestOf(wanted), peer, arbiterOf(wanted)];
    const then = [consent.kind, consent.document, consent.peer, consent.arbiter];
    if (found.some((one, at) => one !== then[at]))
      throw new FitError('wrong-state', 'what was asked for has changed since: nothing was signed', {
        hint: 'look at it again, and ask again',
      });
  };

  const judge = (subject: Subject): Judgement => policy.judge(factsFor(subject), consents.reserved());

  /** Ends an open request, alone with its deal: a grant of it may be under way, and is then the faster. */
  const close = async (
    { id, deal }: Consent,
    status: 'refused' | 'expired' | 'withdrawn',
    more: Partial<Consent> = {},
  ): Promise<Consent | undefined> =>
    writes.locks.run(deal, async () => {
      const found = consents.get(id);
      if (found?.status !== 'pending') return undefined;
      const change = consents.move(found, status, now(), more);
      await writes.record([change]);
      return change.consent;
    });

  /** The end of every request that has run out or whose connection has gone with a restart; the time (s) of the next. */
  const sweep = async (gone: (consent: Consent) => boolean = () => false): Promise<number | undefined> => {
    const over = consents.pending().filter((one) => now() >= one.expires || gone(one));
    await Promise.all(over.map((one) => close(one, now() >= one.expires ? 'expired' : 'withdrawn')));
    const ends = consents.pending().map((one) => one.expires);
    return ends.length === 0 ? undefined : Math.min(...ends);
  };

  return {
    view,
    sweep,
    judge,

    /**
     * Calls `sign` with the consent to be stored in the same write as what it allows. Without one: throws `needs-approval`
     * when a request waits, `refused` when a rule says no. With `hold` the request waits for its own connection.
     */
    async gate<T>(wanted: Wanted, authority: Authority, sign: (grant: Change) => Promise<T>): Promise<T> {
      const { granting, source } = authority;
      if (granting !== undefined) {
        const consent = stillPending(granting);
        checkSame(consent, wanted);
        if (source === null) throw new FitError('needs-passphrase', 'granting needs the passphrase');
        return sign(consents.move(consent, 'granted', now(), { decision: byPerson(source), expires: wanted.expires }));
      }
      const asker = await authority.asker();
      if (authority.hold !== undefined) {
        const consent = await pend(wanted, asker, 'the program that asks reads and decides it itself', true);
        authority.hold(consent.id);
        throw await needsApproval(consent);
      }
      if (source !== null) {
        const consent = { ...fresh(wanted, asker), decision: byPerson(source) };
        return sign(consents.enter(consent, now()));
      }
      return judging.run('policy', async () => {
        const verdict = judge(wanted);
        const consent = {
          ...fresh(wanted, asker),
          why: verdict.why,
          decision: { at: now(), source: 'policy' as const, rule: verdict.rule, policy: verdict.policy },
        };
        if (verdict.outcome === 'approve') return sign(consents.enter(consent, now()));
        if (verdict.outcome === 'ask' && authority.fleeting === true)
          throw new FitError('needs-approval', 'this needs a person, and nobody waits for the decision', {
            hint: 'give the passphrase, or wait for a decision with --wait',
          });
        if (verdict.outcome === 'ask') throw await needsApproval(await pend(wanted, asker, verdict.why, false));
        await refuseByRule(consent, wanted);
        throw new FitError('refused', `the policy refuses this: rule ${verdict.rule ?? ''}`, {
          hint: wanted.deal === '' ? 'fit policy show' : `fit policy check ${wanted.deal} says why`,
        });
      });
    },

    /** An open request by any unique beginning of its id; one that has run out is ended first. */
    async open(prefix: string, digest: string | undefined): Promise<Consent> {
      await sweep();
      const consent = stillPending(consents.find(prefix));
      if (digest !== undefined && digest !== consent.document)
        throw new FitError('wrong-state', 'the request is for another text than the one named: nothing was signed', {
          hint: `fit approve show ${consent.id}`,
        });
      return consent;
    },

    /** Runs what a grant does; a request that can no longer be what it was ends here. */
    async granting<T>(consent: Consent, run: () => Promise<T>): Promise<T> {
      try {
        return await run();
      } catch (error) {
        if (isFitError(error) && MOVED_ON.has(error.code)) await close(consent, 'withdrawn');
        throw error;
      }
    },

    async refuse(prefix: string, source: ConsentSource | null): Promise<Consent> {
      await sweep();
      const found = consents.find(prefix);
      const decision = { at: now(), source, rule: null, policy: null };
      return (await close(found, 'refused', { decision })) ?? stillPending(found);
    },

    /** The connection that held it has gone. */
    async letGo(id: string): Promise<void> {
      const found = consents.get(id);
      if (found !== undefined) await close(found, 'withdrawn');
    },

    /** Whether the consent stands now: not withdrawn, expired or used, and its rule's policy still in force. */
    stands(consent: Consent | undefined): boolean {
      if (consent === undefined || consent.status !== 'granted' || now() >= consent.expires) return false;
      return consent.decision?.source !== 'policy' || policy.inForce(consent.decision.policy ?? '');
    },

    /** Unused consents that rules of a policy no longer in force have given. */
    outOfForce: (): readonly Consent[] =>
      [...consents.all()].filter(
        (one) =>
          one.status === 'granted' && one.decision?.source === 'policy' && !policy.inForce(one.decision.policy ?? ''),
      ),
  };
}
