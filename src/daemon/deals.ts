/**
 * Negotiation: what a person or a peer does to a deal becomes a transaction, is checked by the pure reducer
 * (commerce/deal.ts), stored together with the message or exchange it causes, and told as an event.
 *
 * Guarantees: changes of one deal are made one at a time; a consent serves one text, one peer, one arbiter, once; a refusal
 * changes nothing. Offers and acceptances of ours are offers.ts's and acceptance.ts's, the exchange itself exchanges.ts's; this
 * file admits peers' acceptances to it and records its course.
 */
import type { StoreOp } from '../archive/store.ts';
import { type Card, parseCard } from '../commerce/card.ts';
import {
  currentVersion,
  type Deal,
  expiryOf,
  isFinalState,
  newDeal,
  openExchange,
  reduce,
  tipOf,
} from '../commerce/deal.ts';
import { type Document, parseDocument } from '../commerce/document.ts';
import { decodeMessage, encodeMessage, type Negotiation, transactionOf } from '../commerce/messages.ts';
import { MAX_MESSAGE } from '../commerce/transaction.ts';
import { sha256 } from '../crypto/hash.ts';
import { checkRecord, makeRecord } from '../exchange/contract.ts';
import { exchangeTerms } from '../exchange/document.ts';
import { DEFAULT_SKEW } from '../exchange/frame.ts';
import type { PartyState } from '../exchange/party.ts';
import type { ExchangeRecord } from '../exchange/record.ts';
import { assert, present } from '../lib/assert.ts';
import { equal, toHex } from '../lib/bytes.ts';
import { FitError, isFitError, PeerFault } from '../lib/errors.ts';
import type { Remote } from '../p2p/link.ts';
import type { ConsentSource } from '../rpc/approvals.ts';
import { createAcceptance } from './acceptance.ts';
import { createAllowance, OF_A_CONTACT } from './allowance.ts';
import { createApprovals, type Subject } from './approvals.ts';
import type { Change, Consent } from './consents.ts';
import type { Contact } from './contacts.ts';
import { createDealParties, roleOf } from './deal-parties.ts';
import { createDealWrites } from './deal-writes.ts';
import { course, exchangeTransaction } from './exchange-course.ts';
import type { Exchange } from './exchange-record.ts';
import type { Admission, Prepared } from './exchanges.ts';
import { statementOf } from './facts.ts';
import { createOffers } from './offers.ts';
import type { Ack, Letter } from './outbox.ts';
import type { Parts } from './parts.ts';
import { createStatements } from './statements.ts';
import { createTransfers } from './transfers.ts';

export type Deals = ReturnType<typeof createDeals>;

export function createDeals(parts: Parts) {
  const { store, consents, contacts, outbox, clock, events } = parts;
  const { arbiterOf, chosenArbiter, partiesFor, limitsFor, arbiterAddress } = createDealParties(parts);
  const writes = createDealWrites(parts);
  const approvals = createApprovals(parts, writes);
  const { locks, now, us, held, told, take, commit, letterTo, outdated } = writes;
  const allowance = createAllowance(clock, OF_A_CONTACT);
  /** Seconds that a peer's clock was ahead of ours when it last acknowledged something. */
  const ahead = new Map<string, number>();
  /** Contacts whose difference has been told. */
  const warned = new Set<string>();

  /** What a peer's clock shows, as it says with every acknowledgement. */
  const heard = (certificate: string, peerTime: number): void => {
    const differs = (sec: number): boolean => Math.abs(sec) > DEFAULT_SKEW;
    const offset = peerTime - now();
    ahead.set(certificate, offset);
    // Letters of the last run may be acknowledged before the contacts are read: told once their name is known.
    const contact = contacts.of(certificate)?.name;
    if (!differs(offset)) warned.delete(certificate);
    else if (contact !== undefined && !warned.has(certificate)) {
      warned.add(certificate);
      events.emit({ kind: 'clock-differs', contact });
    }
  };

  /** Expired offers end when somebody looks; a timer looks too. */
  const settle = async (deal: Deal): Promise<Deal> => {
    const due = expiryOf(deal, now());
    if (due === undefined) return deal;
    return locks.run(deal.id, async () => {
      const present = store.get(deal.id) ?? deal;
      const expiry = expiryOf(present, now());
      if (expiry === undefined) return present;
      const after = take(present, expiry, now());
      await commit(present, after, { changes: outdated(after) });
      return after;
    });
  };

  const offers = createOffers(parts, writes, approvals, settle);
  const statements = createStatements(parts, writes, approvals);
  const acceptance = createAcceptance(parts, writes, approvals, {
    settle,
    ahead: (certificate) => ahead.get(certificate) ?? 0,
  });

  /** What the peer, and our own archive at the next start, would refuse to read is never stored. */
  const checkText = (text: string): void => {
    if (text.length > MAX_MESSAGE || !text.isWellFormed())
      throw new FitError('usage', `a message or reason has at most ${MAX_MESSAGE} characters of well-formed text`);
  };

  /** The author's or the addressee's word that ends a deal before anybody signed. */
  const end = async (prefix: string, kind: 'decline' | 'withdraw', reason: string): Promise<Deal> => {
    checkText(reason);
    const { id } = store.find(prefix);
    return locks.run(id, async () => {
      const deal = held(id);
      const current = present(currentVersion(deal), 'version');
      const body = { kind, document: current.document, text: reason } as const;
      const negotiation: Negotiation = { kind: 'negotiation', deal: id, parent: tipOf(deal), time: now(), body };
      const after = take(deal, transactionOf(negotiation, us()), now());
      const { ops, posted } = outbox.post(letterTo(after, negotiation));
      await commit(deal, after, { ops, changes: outdated(after), done: [posted] });
      return after;
    });
  };

  /** What a peer's offer must satisfy before anybody sees it; throws `PeerFault` with the code that the peer is told. */
  const checkOffer = (
    contact: Contact,
    negotiation: Negotiation,
  ): { readonly document: Document; readonly arbiter: Card | null } => {
    const { body } = negotiation;
    assert(body.kind === 'offer' || body.kind === 'counter-offer', 'an offer');
    const document = parseDocument(body.document);
    const arbiter = body.arbiterCard === null ? null : parseCard(body.arbiterCard);
    const { terms } = document;
    const named =
      arbiter === null || terms.arbiter === null
        ? arbiter === terms.arbiter
        : equal(terms.arbiter.certificate, arbiter.certificate.hash) &&
          equal(terms.arbiter.terms, roleOf(arbiter).termsDigest);
    const fits =
      named &&
      terms.deal === negotiation.deal &&
      equal(terms.parties[0].certificate, contact.card.certificate.hash) &&
      equal(terms.parties[1].certificate, us()) &&
      terms.offerUntil === body.offerUntil;
    if (!fits) throw new PeerFault('bad-record', 'the offer and its text differ');
    return { document, arbiter };
  };

  const receiveNegotiation = (from: Remote, message: Negotiation): Promise<Ack> =>
    locks.run(message.deal, async (): Promise<Ack> => {
      const contact = contacts.of(from.certificate);
      if (contact === undefined) return { kind: 'later', why: 'unknown-sender' };
      const them = contact.card.certificate.hash;
      const before = store.get(message.deal);
      if (before !== undefined && !equal(before.them, them)) return { kind: 'no', why: 'unknown-deal' };
      const keep: StoreOp[] = [];
      if (message.body.kind === 'offer' || message.body.kind === 'counter-offer') {
        const { document, arbiter } = checkOffer(contact, message);
        keep.push(
          store.keep('document', toHex(document.digest), document.bytes),
          ...(arbiter === null ? [] : [store.keep('card', toHex(sha256(arbiter.bytes)), arbiter.bytes)]),
        );
      }
      const deal = before ?? newDeal(message.deal, us(), them);
      const reduction = reduce(deal, transactionOf(message, them), now());
      if (!reduction.ok) return { kind: 'no', why: reduction.code };
      if (!reduction.changed) return { kind: 'ok' };
      await commit(before, reduction.deal, { ops: keep, changes: outdated(reduction.deal) });
      return { kind: 'ok' };
    });

  /** What a step of an exchange does to the consent it rests on. Freed only by the arbiter's token. */
  const consentChanges = (exchange: Exchange, state: PartyState<Uint8Array>, consume: boolean): Change[] => {
    const consent = consents.get(exchange.consent);
    if (consent === undefined) return [];
    if (consume) return [consents.move(consent, 'used', now(), { xid: exchange.xid, usedAt: now() })];
    if (state.phase === 'aborted' && consent.status === 'used') return [consents.move(consent, 'freed', now())];
    // An acceptance that never promised anything: its consent can serve no other exchange.
    const idle = state.phase === 'dropped' && consent.status === 'granted' && consent.kind === 'acceptance';
    return idle ? [consents.move(consent, 'withdrawn', now())] : [];
  };

  /** Our consent for this text that stands now, or why there is none. */
  const standing = (deal: string, kind: Consent['kind'], document: string): Consent | 'withdrawn' | 'expired' => {
    const found = consents
      .of(deal)
      .find((one) => one.kind === kind && one.document === document && one.status === 'granted');
    if (found !== undefined && now() >= found.expires) return 'expired';
    return found !== undefined && approvals.stands(found) ? found : 'withdrawn';
  };

  const transfers = createTransfers(parts, writes, { standing });

  return {
    transfers,
    exclusive: <T>(deal: string, task: () => Promise<T>): Promise<T> => locks.run(deal, task),

    approvals,
    statements,
    propose: offers.propose,
    deliver: offers.deliver,
    counter: offers.counter,
    accept: acceptance.accept,

    /** Does what an open request asks for, on the word of whoever has proven the passphrase. */
    async grant(consent: Consent, source: ConsentSource): Promise<{ readonly deal: string; readonly state: string }> {
      const authority = { source, asker: async () => consent.asker, granting: consent };
      if (consent.kind === 'statement') return approvals.granting(consent, () => statements.grant(consent, authority));
      const run = consent.kind === 'offer' ? offers.grant : acceptance.grant;
      return approvals.granting(consent, () => run(consent, authority));
    },

    /** What accepting the current version of a deal, or granting a request, is about: for rules. */
    async subjectOf(of: Deal | Consent): Promise<Subject> {
      if ('versions' in of) {
        const document = toHex(present(currentVersion(of), 'version').document);
        return {
          kind: 'acceptance',
          peer: toHex(of.them),
          document: parseDocument(await store.fetch('document', document)),
        };
      }
      const { kind, peer, document } = of;
      const bytes = await store.fetch('document', document);
      if (kind === 'statement') return { kind, peer: '', statement: statementOf(bytes) };
      return { kind, peer, document: parseDocument(bytes) };
    },

    /** Takes back what rules of a policy no longer in force have granted and nobody has used; offers towards the peer too. */
    async policyChanged(): Promise<void> {
      if (parts.keyring.locked) return;
      for (const one of approvals.outOfForce()) {
        await locks.run(one.deal, async () => {
          const found = consents.get(one.id);
          if (found?.status === 'granted') await writes.record([consents.move(found, 'withdrawn', now())]);
        });
        const deal = store.get(one.deal);
        const current = deal === undefined ? undefined : currentVersion(deal);
        const stands = deal?.state === 'offered' && current !== undefined && toHex(current.document) === one.document;
        if (one.kind === 'offer' && stands) await end(one.deal, 'withdraw', '');
      }
    },

    decline: (prefix: string, reason: string) => end(prefix, 'decline', reason),
    withdraw: (prefix: string) => end(prefix, 'withdraw', ''),
    /** Ends it for a reason of the daemon's, whoever wrote the current version. */
    async giveUp(id: string, reason: string): Promise<Deal> {
      const version = currentVersion(held(id));
      return end(id, version !== undefined && equal(version.by, us()) ? 'withdraw' : 'decline', reason);
    },

    async message(prefix: string, text: string): Promise<Deal> {
      checkText(text);
      if (text.trim() === '') throw new FitError('usage', 'the message is empty');
      const { id } = store.find(prefix);
      return locks.run(id, async () => {
        const deal = held(id);
        const negotiation: Negotiation = {
          kind: 'negotiation',
          deal: id,
          parent: tipOf(deal),
          time: now(),
          body: { kind: 'message', text },
        };
        const after = take(deal, transactionOf(negotiation, us()), now());
        const { ops, posted } = outbox.post(letterTo(after, negotiation));
        await commit(deal, after, { ops, done: [posted] });
        return after;
      });
    },

    async order(prefix: string, order: 'abort' | 'resolve'): Promise<Deal> {
      const deal = store.find(prefix);
      const open = openExchange(deal);
      if (open === undefined) {
        const hint =
          deal.state === 'offered'
            ? `nothing is being signed: fit deal decline ${deal.id} or fit deal withdraw ${deal.id}`
            : `fit deal show ${deal.id}`;
        throw new FitError('wrong-state', `there is nothing to ${order}`, { hint });
      }
      if ((await transfers.find(toHex(open.document))) === undefined)
        await parts.exchanges.order(toHex(open.xid), order);
      else if (order === 'abort') await transfers.abort(deal.id, toHex(open.document));
      else throw new FitError('wrong-state', 'a transfer has no arbiter', { hint: `fit deal explain ${deal.id}` });
      return held(deal.id);
    },

    isOpenWith: (certificate: string): boolean =>
      [...store.all()].some(
        (one) => toHex(one.them) === certificate && (one.state === 'offered' || openExchange(one) !== undefined),
      ),

    /** One message of a contact's. Throws `PeerFault` for one that no honest daemon sends. */
    async receive(from: Remote, body: Uint8Array): Promise<Ack> {
      if (contacts.of(from.certificate) !== undefined && !allowance.take(from.certificate, body.length))
        return { kind: 'later', why: 'flood' };
      const message = decodeMessage(body);
      try {
        if (message.kind === 'card') {
          await contacts.update(from.certificate, message.card);
          return { kind: 'ok' };
        }
        return await receiveNegotiation(from, message);
      } catch (error) {
        if (isFitError(error) && (error.code === 'bad-document' || error.code === 'bad-card'))
          return { kind: 'no', why: error.code };
        throw error;
      }
    },

    /** Message 1 of an acceptance of ours: is it of a text that we offered, and does our consent stand? */
    async admit(from: Remote, record: ExchangeRecord): Promise<Admission> {
      const contact = contacts.of(from.certificate);
      const deal = store.get(record.deal);
      if (contact === undefined || deal === undefined || toHex(deal.them) !== from.certificate)
        return { kind: 'no', why: 'unknown-deal' };
      if (openExchange(deal) !== undefined) return { kind: 'no', why: 'under-way' };
      if (isFinalState(deal.state)) return { kind: 'no', why: deal.state };
      // Of content the author is originator, and what stands is our acceptance.
      const receives = record.itemO.kind === 'content' && record.itemR.kind !== 'content';
      const version = currentVersion(deal);
      if (
        version === undefined ||
        !equal(version.document, record.document) ||
        !equal(version.by, receives ? deal.them : deal.us)
      )
        return { kind: 'no', why: 'not-current' };
      const digest = toHex(version.document);
      const document = parseDocument(await store.fetch('document', digest));
      // Of a transfer, and of what a swap only asks for, there is no exchange.
      if (document.terms.transfer !== null || document.terms.want !== null) return { kind: 'no', why: 'not-current' };
      const consent = standing(deal.id, receives ? 'acceptance' : 'offer', digest);
      if (typeof consent === 'string') return { kind: 'no', why: consent };
      if (record.itemO.kind === 'content' && !(await parts.deliveries.holds(digest, record.itemO)))
        return { kind: 'no', why: 'not-fetched' };
      if (record.itemR.kind === 'content' && !(await parts.deliveries.gives(digest, record.itemR)))
        return { kind: 'no', why: 'not-current' };
      const { card: arbiter, contact: pinned } = await arbiterOf(version);
      const parties = partiesFor('R', contact, arbiter, record.kem);
      return {
        kind: 'welcome',
        parties,
        arbiter: arbiterAddress(arbiter, pinned),
        consent: consent.id,
        check: (found) => {
          if (now() >= found.notAfter - found.margin) throw new PeerFault('bad-record', 'too late');
          checkRecord(found, exchangeTerms(document), parties, limitsFor(arbiter, parties, version.time));
        },
      };
    },

    /** Message 0: the peer holds what we offered to deliver and accepts it, so we begin as originator. */
    async ready(from: Remote, id: string, digest: Uint8Array): Promise<Ack> {
      let fresh: Prepared | undefined;
      const ack = await locks.run(id, async (): Promise<Ack> => {
        const contact = contacts.of(from.certificate);
        const deal = store.get(id);
        if (contact === undefined || deal === undefined || toHex(deal.them) !== from.certificate)
          return { kind: 'no', why: 'unknown-deal' };
        // Said twice: the first time counts.
        if (deal.exchanges.some((one) => equal(one.document, digest))) return { kind: 'ok' };
        const version = currentVersion(deal);
        if (version === undefined || !equal(version.document, digest)) return { kind: 'no', why: 'not-current' };
        if (isFinalState(deal.state)) return { kind: 'no', why: deal.state };
        const document = parseDocument(await store.fetch('document', toHex(digest)));
        const { format, other } = document.terms;
        const weWrote = equal(version.by, deal.us);
        if (format === 'transfer/1') throw new PeerFault('out-of-order', 'message 0 of a transfer that is none');
        // Of a swap who accepted it begins, and who wrote it fetches first what the other gives.
        if (format === 'contract/1' || (format === 'delivery/1' && !weWrote))
          throw new PeerFault('out-of-order', 'message 0 from the wrong side');
        const consent = standing(id, weWrote ? 'offer' : 'acceptance', toHex(digest));
        if (typeof consent === 'string') return { kind: 'no', why: consent };
        if (format === 'swap/1' && weWrote) {
          if (other === null) return { kind: 'no', why: 'not-current' };
          await parts.deliveries.fetch(toHex(digest), id, from.certificate);
          return { kind: 'ok' };
        }
        const { ours, theirs } = await parts.deliveries.sealedOf(toHex(digest));
        if (ours === null || (format === 'swap/1' && theirs === null)) return { kind: 'later', why: 'not-fetched' };
        const { card: arbiter, contact: pinned } = await arbiterOf(version);
        const parties = partiesFor('O', contact, arbiter, undefined);
        const terms = exchangeTerms(document);
        const sealed = { O: ours, ...(theirs === null ? {} : { R: theirs }) };
        const record = makeRecord(terms, parties, { nonce: parts.rng(32), signingTime: now(), sealed });
        checkRecord(record, terms, parties, limitsFor(arbiter, parties, version.time));
        const peer = from.certificate;
        fresh = parts.exchanges.prepare({
          record,
          parties,
          peer,
          arbiter: arbiterAddress(arbiter, pinned),
          consent: consent.id,
        });
        const transaction = exchangeTransaction(
          deal,
          fresh.exchange,
          'acceptance',
          weWrote ? deal.them : deal.us,
          now(),
        );
        await commit(deal, take(deal, transaction, now()), { ops: fresh.ops });
        return { kind: 'ok' };
      });
      const prepared = fresh;
      if (prepared !== undefined)
        parts.exchanges.accept(prepared).catch((error) => parts.log.error({ error }, 'an exchange could not go on'));
      return ack;
    },

    consentStands: (id: string): boolean => approvals.stands(consents.get(id)),

    /** What belongs into the write of an exchange's recorded state. */
    recording(exchange: Exchange, state: PartyState<Uint8Array>, consume: boolean) {
      const before = held(exchange.deal);
      let after = before;
      for (const [kind, by] of course(exchange, state, us())) {
        // The clock has been asked when the peer was admitted; here the log only follows.
        const reduction = reduce(after, exchangeTransaction(after, exchange, kind, by, now()), 0);
        if (reduction.ok) after = reduction.deal;
      }
      const saved = store.save(after);
      const ops: StoreOp[] = [...saved.ops];
      const done: (() => void)[] = [saved.done];
      const changes = consentChanges(exchange, state, consume);
      changes.push(...outdated(after, exchange.consent));
      for (const one of changes) {
        ops.push(...one.ops);
        done.push(one.done);
      }
      if (state.phase === 'contracted' && state.contract !== null) {
        const { O, R, T } = exchange.parties;
        const certificates = [O.certificate.der, R.certificate.der, T.certificate.der] as const;
        const evidence = {
          xid: exchange.xid,
          via: state.via ?? 'peer',
          contract: state.contract,
          mode: exchange.record.mode,
          certificates,
        };
        ops.push(store.keepEvidence(toHex(exchange.record.document), evidence));
      }
      const last = after.transactions.at(-1)?.payload.kind;
      return {
        ops,
        entries: writes.entriesOf(before, after),
        audit: changes.flatMap((one) => one.audit),
        done: () => {
          for (const then of done) then();
          if (after !== before && last !== undefined) told(after, last);
        },
      };
    },

    heard,

    acknowledged(letter: Letter, ack: Ack & { readonly peerTime: number }): void {
      heard(letter.to, ack.peerTime);
      const id = letter.ref.startsWith('d/') ? letter.ref.slice(2) : undefined;
      if (id !== undefined && ack.kind === 'no') events.emit({ kind: 'refused-by-peer', deal: id, detail: ack.why });
    },

    settle,
    /** Ends what has run out; the time (ms) to look again, if any. */
    async sweep(): Promise<number | undefined> {
      let next = await approvals.sweep();
      for (const deal of [...store.all()]) {
        const present = await settle(deal);
        const until = currentVersion(present)?.offerUntil;
        if (present.state === 'offered' && until !== undefined) next = Math.min(next ?? until, until);
      }
      return next === undefined ? undefined : next * 1000;
    },
    /** The first time (ms) at which something of this deal runs out, if anything can. */
    endOf(id: string): number | undefined {
      const deal = store.get(id);
      const until = deal?.state === 'offered' ? currentVersion(deal)?.offerUntil : undefined;
      const ends = consents.of(id).flatMap((one) => (one.status === 'pending' ? one.expires : []));
      if (until !== undefined) ends.push(until);
      return ends.length === 0 ? undefined : Math.min(...ends) * 1000;
    },
    onChange: writes.onChange,
    arbiterOf,
    chosenArbiter,
    sendCard(card: Uint8Array): { readonly ops: readonly StoreOp[]; readonly posted: () => void } {
      const posts = contacts.certificates().map((to) =>
        outbox.post({
          to,
          protocol: '/fit/message/1',
          body: encodeMessage({ kind: 'card', card }),
          ref: 'card',
          until: null,
        }),
      );
      return { ops: posts.flatMap((one) => one.ops), posted: () => posts.forEach((one) => void one.posted()) };
    },
  };
}
