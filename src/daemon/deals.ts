/**
 * Negotiation and consent: what a person or a peer does to a deal becomes a transaction, is checked by the pure reducer
 * (commerce/deal.ts), stored together with the message or exchange it causes, and told as an event.
 *
 * Guarantees: changes of one deal are made one at a time; a consent serves one text, one peer, one arbiter, once; a refusal
 * changes nothing. The exchange itself is exchanges.ts's; this file admits peers' acceptances to it and records its course.
 */
import type { NewEntry } from '../archive/journal.ts';
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
  type Version,
} from '../commerce/deal.ts';
import { completeDocument, type Document, parseDocument, type Terms } from '../commerce/document.ts';
import { decodeMessage, encodeMessage, type Message, type Negotiation, transactionOf } from '../commerce/messages.ts';
import { MAX_MESSAGE, type Transaction } from '../commerce/transaction.ts';
import { sha256 } from '../crypto/hash.ts';
import { checkRecord, makeRecord } from '../exchange/contract.ts';
import { exchangeTerms } from '../exchange/document.ts';
import { DEFAULT_SKEW } from '../exchange/frame.ts';
import type { PartyState } from '../exchange/party.ts';
import type { ExchangeRecord } from '../exchange/record.ts';
import { assert, present } from '../lib/assert.ts';
import { equal, toHex } from '../lib/bytes.ts';
import { seconds } from '../lib/clock.ts';
import { FitError, isFitError, PeerFault } from '../lib/errors.ts';
import { createMutex } from '../lib/mutex.ts';
import { newId } from '../lib/rng.ts';
import type { Remote } from '../p2p/link.ts';
import { createAllowance, OF_A_CONTACT } from './allowance.ts';
import type { Contact } from './contacts.ts';
import { createDealParties, roleOf } from './deal-parties.ts';
import type { Consent } from './deal-store.ts';
import { course, exchangeTransaction } from './exchange-course.ts';
import type { Exchange } from './exchange-record.ts';
import type { Admission } from './exchanges.ts';
import type { Ack, Letter } from './outbox.ts';
import type { Parts } from './parts.ts';
import { refusal } from './refusal.ts';

export interface OfferRequest {
  readonly document: Uint8Array;
  readonly to: string;
  readonly arbiter: string;
  /** Seconds from now. */
  readonly expires?: number | undefined;
  readonly mode?: 'invisible' | 'affidavit' | undefined;
  readonly dryRun: boolean;
}

export interface Offered {
  readonly deal: string;
  readonly document: Uint8Array;
  readonly digest: string;
  readonly state: Deal['state'];
  readonly warnings: readonly string[];
}

export type Deals = ReturnType<typeof createDeals>;

export function createDeals(parts: Parts) {
  const { store, contacts, identity, outbox, clock, rng, events } = parts;
  const { arbiterOf, pinnedArbiter, timesFor, warningsFor, partiesFor, limitsFor, arbiterAddress } =
    createDealParties(parts);
  const locks = createMutex();
  const allowance = createAllowance(clock, OF_A_CONTACT);
  const waiters = new Set<() => void>();
  /** Seconds that a peer's clock was ahead of ours when it last acknowledged something. */
  const ahead = new Map<string, number>();
  /** Contacts whose difference has been told. */
  const warned = new Set<string>();
  const now = (): number => seconds(clock.now());
  const us = (): Uint8Array => identity.card().certificate.hash;

  /** A deal that is known to be there, unless `fit lock` came in between. */
  const held = (id: string): Deal => {
    if (parts.keyring.locked) throw new FitError('locked', 'the daemon is locked', { hint: 'fit unlock' });
    return present(store.get(id), 'deal');
  };

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

  const told = (deal: Deal, kind: string): void => {
    const contact = contacts.of(toHex(deal.them))?.name;
    events.emit({ kind, deal: deal.id, state: deal.state, ...(contact === undefined ? {} : { contact }) });
    for (const waiter of [...waiters]) waiter();
  };

  /** Stores a deal's new transactions with whatever belongs to them, in one write. */
  const commit = async (
    before: Deal | undefined,
    after: Deal,
    ops: readonly StoreOp[] = [],
    done: readonly (() => void)[] = [],
  ): Promise<void> => {
    const saved = store.save(after);
    await parts.journal().append(entriesOf(before, after), [...saved.ops, ...ops]);
    saved.done();
    for (const then of done) then();
    told(after, present(after.transactions.at(-1), 'transaction').payload.kind);
  };

  const entriesOf = (before: Deal | undefined, after: Deal): NewEntry[] =>
    after.transactions.slice(before?.transactions.length ?? 0).map((one) => ({
      time: now(),
      kind: `deal-${one.payload.kind}`,
      ref: after.id,
      payload: one.id,
    }));

  const take = (deal: Deal, transaction: Transaction, at: number): Deal => {
    const reduction = reduce(deal, transaction, at);
    if (!reduction.ok) throw refusal(reduction.code, deal.id);
    return reduction.deal;
  };

  const letterTo = (deal: Pick<Deal, 'id' | 'them'>, message: Message): Letter => ({
    to: toHex(deal.them),
    protocol: '/fit/message/1',
    body: encodeMessage(message),
    ref: `d/${deal.id}`,
    until: null,
  });

  /** Consents of a deal for texts other than its current one no longer stand. */
  const outdated = (deal: Deal) => {
    const current = currentVersion(deal);
    return store
      .consentsOf(deal.id)
      .filter(
        (one) =>
          one.status === 'standing' &&
          (isFinalState(deal.state) || current === undefined || one.document !== toHex(current.document)),
      )
      .map((one) => store.saveConsent({ ...one, status: 'withdrawn' }));
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
      const withdrawn = outdated(after);
      await commit(
        present,
        after,
        withdrawn.flatMap((one) => one.ops),
        withdrawn.map((one) => one.done),
      );
      return after;
    });
  };

  /** What the peer, and our own archive at the next start, would refuse to read is never stored. */
  const checkText = (text: string): void => {
    if (text.length > MAX_MESSAGE || !text.isWellFormed())
      throw new FitError('usage', `a message or reason has at most ${MAX_MESSAGE} characters of well-formed text`);
  };

  /** A new version of ours: completed, linted, consented to, stored and posted in one write. */
  const offer = async (
    before: Deal | undefined,
    id: string,
    contact: Contact,
    arbiter: Contact,
    arbiterCard: Card,
    request: Omit<OfferRequest, 'to' | 'arbiter'>,
    answers?: Terms,
  ): Promise<Offered> => {
    const role = roleOf(arbiterCard);
    const own = identity.card();
    const ends = [own.certificate, contact.card.certificate, arbiterCard.certificate].map((one) => one.notAfter);
    const times = timesFor(request.expires, role, Math.min(...ends));
    const bytes = completeDocument(request.document, {
      deal: id,
      author: { name: own.name, certificate: own.certificate.hash },
      addressee: { name: contact.card.name, certificate: contact.card.certificate.hash },
      arbiter: { name: arbiterCard.name, certificate: arbiterCard.certificate.hash, terms: role.termsDigest },
      mode: request.mode ?? answers?.arbiter.mode ?? 'invisible',
      ...times,
      ...(answers === undefined ? {} : { answers }),
      fixed: [
        ...(request.mode === undefined ? [] : (['mode'] as const)),
        ...(request.expires === undefined ? [] : (['offerUntil'] as const)),
      ],
    });
    const document = parseDocument(bytes);
    const digest = toHex(document.digest);
    const warnings = warningsFor(contact, arbiter);
    const deal = before ?? newDeal(id, own.certificate.hash, contact.card.certificate.hash);
    const negotiation: Negotiation = {
      kind: 'negotiation',
      deal: id,
      parent: tipOf(deal),
      time: now(),
      body: {
        kind: before === undefined ? 'offer' : 'counter-offer',
        version: (currentVersion(deal)?.number ?? 0) + 1,
        document: bytes,
        arbiterCard: arbiterCard.bytes,
        offerUntil: document.terms.offerUntil,
      },
    };
    const after = take(deal, transactionOf(negotiation, own.certificate.hash), now());
    if (request.dryRun) return { deal: id, document: bytes, digest, state: after.state, warnings };
    const consent = store.saveConsent(newConsent('offer', after, document, arbiterCard, document.terms.offerUntil));
    const withdrawn = outdated(after);
    const { ops, posted } = outbox.post(letterTo(after, negotiation));
    await commit(
      before,
      after,
      [
        store.keep('document', digest, bytes),
        store.keep('card', toHex(sha256(arbiterCard.bytes)), arbiterCard.bytes),
        ...withdrawn.flatMap((one) => one.ops),
        ...consent.ops,
        ...ops,
      ],
      [...withdrawn.map((one) => one.done), consent.done, posted],
    );
    return { deal: id, document: bytes, digest, state: after.state, warnings };
  };

  const newConsent = (
    kind: Consent['kind'],
    deal: Deal,
    document: Document,
    arbiter: Card,
    expires: number,
  ): Consent => ({
    id: toHex(rng(16)),
    kind,
    deal: deal.id,
    document: toHex(document.digest),
    peer: toHex(deal.them),
    arbiter: toHex(arbiter.certificate.hash),
    granted: now(),
    expires,
    status: 'standing',
    xid: null,
  });

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
      const withdrawn = outdated(after);
      const { ops, posted } = outbox.post(letterTo(after, negotiation));
      await commit(
        deal,
        after,
        [...withdrawn.flatMap((one) => one.ops), ...ops],
        [...withdrawn.map((one) => one.done), posted],
      );
      return after;
    });
  };

  /** What a peer's offer must satisfy before anybody sees it; throws `PeerFault` with the code that the peer is told. */
  const checkOffer = (
    contact: Contact,
    negotiation: Negotiation,
  ): { readonly document: Document; readonly arbiter: Card } => {
    const { body } = negotiation;
    assert(body.kind === 'offer' || body.kind === 'counter-offer', 'an offer');
    const document = parseDocument(body.document);
    const arbiter = parseCard(body.arbiterCard);
    const { terms } = document;
    const fits =
      terms.deal === negotiation.deal &&
      equal(terms.parties[0].certificate, contact.card.certificate.hash) &&
      equal(terms.parties[1].certificate, us()) &&
      equal(terms.arbiter.certificate, arbiter.certificate.hash) &&
      equal(terms.arbiter.terms, roleOf(arbiter).termsDigest) &&
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
          store.keep('card', toHex(sha256(arbiter.bytes)), arbiter.bytes),
        );
      }
      const deal = before ?? newDeal(message.deal, us(), them);
      const reduction = reduce(deal, transactionOf(message, them), now());
      if (!reduction.ok) return { kind: 'no', why: reduction.code };
      if (!reduction.changed) return { kind: 'ok' };
      const withdrawn = outdated(reduction.deal);
      await commit(
        before,
        reduction.deal,
        [...keep, ...withdrawn.flatMap((one) => one.ops)],
        withdrawn.map((one) => one.done),
      );
      return { kind: 'ok' };
    });

  return {
    exclusive: <T>(deal: string, task: () => Promise<T>): Promise<T> => locks.run(deal, task),

    async propose(request: OfferRequest): Promise<Offered> {
      const contact = contacts.named(request.to);
      const arbiter = contacts.named(request.arbiter);
      if (contact.name === arbiter.name) throw new FitError('usage', 'the arbiter must be somebody else');
      return offer(undefined, newId(rng), contact, arbiter, arbiter.card, request);
    },

    async counter(prefix: string, request: Omit<OfferRequest, 'to' | 'arbiter'>): Promise<Offered> {
      const { id } = await settle(store.find(prefix));
      return locks.run(id, async () => {
        const deal = held(id);
        const contact = contacts.of(toHex(deal.them));
        if (contact === undefined)
          throw new FitError('not-found', 'the other side is no longer a contact', { hint: 'fit contact add' });
        const version = present(currentVersion(deal), 'version');
        const { card, contact: pinned } = await arbiterOf(version);
        const { terms } = parseDocument(await store.fetch('document', toHex(version.document)));
        return offer(deal, id, contact, pinnedArbiter(pinned, id), card, request, terms);
      });
    },

    async accept(prefix: string, shown: string | undefined): Promise<Offered> {
      const { id } = await settle(store.find(prefix));
      let fresh: Parameters<typeof parts.exchanges.accept>[0] | undefined;
      const result = await locks.run(id, async (): Promise<Offered> => {
        const deal = held(id);
        const version = present(currentVersion(deal), 'version');
        const digest = toHex(version.document);
        const bytes = await store.fetch('document', digest);
        const contact = contacts.of(toHex(deal.them));
        if (contact === undefined)
          throw new FitError('not-found', 'the other side is no longer a contact', { hint: 'fit contact add' });
        if (shown !== undefined && shown !== digest) {
          throw new FitError(
            'wrong-state',
            `the offer changed while you were reading: this is version ${version.number}`,
            { hint: `fit deal diff ${id}, then accept again` },
          );
        }
        const { card: arbiter, contact: pinned } = await arbiterOf(version);
        const warnings = warningsFor(contact, pinnedArbiter(pinned, id));
        // Accepting twice is one acceptance.
        const accepted = deal.exchanges.some(
          (one) => equal(one.document, version.document) && equal(one.originator, deal.us),
        );
        if (accepted && (deal.state === 'signing' || deal.state === 'contracted'))
          return { deal: id, document: bytes, digest, state: deal.state, warnings };
        // The reducer says the same below; here before the record is made, whose faults would be blamed on the peer.
        if (isFinalState(deal.state)) throw refusal('ended', id);
        if (openExchange(deal) !== undefined) throw refusal('under-way', id);
        if (equal(version.by, deal.us)) throw refusal('not-yours', id);
        const document = parseDocument(bytes);
        checkClocks(deal, version);
        const parties = partiesFor('O', contact, arbiter, undefined);
        const record = makeRecord(exchangeTerms(document), parties, { nonce: rng(32), signingTime: now() });
        checkRecord(record, exchangeTerms(document), parties, limitsFor(arbiter, parties, version.time));
        const consent = newConsent('acceptance', deal, document, arbiter, document.terms.notAfter);
        const exchange = {
          record,
          parties,
          peer: toHex(deal.them),
          arbiter: arbiterAddress(arbiter, pinned),
          consent: consent.id,
        };
        const prepared = parts.exchanges.prepare(exchange);
        const after = take(deal, exchangeTransaction(deal, prepared.exchange, 'acceptance', us(), now()), now());
        const given = store.saveConsent(consent);
        await commit(deal, after, [...given.ops, ...prepared.ops], [given.done]);
        fresh = prepared;
        return { deal: id, document: bytes, digest, state: after.state, warnings };
      });
      if (fresh === undefined) return result;
      await parts.exchanges.accept(fresh);
      return { ...result, state: store.get(id)?.state ?? result.state };
    },

    decline: (prefix: string, reason: string) => end(prefix, 'decline', reason),
    withdraw: (prefix: string) => end(prefix, 'withdraw', ''),

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
        await commit(deal, after, ops, [posted]);
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
      await parts.exchanges.order(toHex(open.xid), order);
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
      const version = currentVersion(deal);
      if (version === undefined || !equal(version.document, record.document) || !equal(version.by, deal.us))
        return { kind: 'no', why: 'not-current' };
      const consent = store
        .consentsOf(deal.id)
        .find((one) => one.kind === 'offer' && one.document === toHex(version.document) && one.status === 'standing');
      if (consent === undefined) return { kind: 'no', why: 'withdrawn' };
      if (now() >= consent.expires) return { kind: 'no', why: 'expired' };
      const document = parseDocument(await store.fetch('document', toHex(version.document)));
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

    consentStands(id: string): boolean {
      const consent = store.consent(id);
      return consent !== undefined && consent.status === 'standing' && now() < consent.expires;
    },

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
      const consent = store.consent(exchange.consent);
      if (consume && consent !== undefined) {
        const used = store.saveConsent({ ...consent, status: 'used', xid: exchange.xid });
        ops.push(...used.ops);
        done.push(used.done);
      }
      for (const one of outdated(after)) {
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
        entries: entriesOf(before, after),
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
      let next: number | undefined;
      for (const deal of [...store.all()]) {
        const present = await settle(deal);
        const until = currentVersion(present)?.offerUntil;
        if (present.state === 'offered' && until !== undefined) next = Math.min(next ?? until, until);
      }
      return next === undefined ? undefined : next * 1000;
    },
    onChange(listener: () => void): () => void {
      waiters.add(listener);
      return () => waiters.delete(listener);
    },
    arbiterOf,
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

  /** The protocol refuses times from the future; better to say so before a person has signed. */
  function checkClocks(deal: Deal, version: Version): void {
    const offset = ahead.get(toHex(deal.them)) ?? 0;
    if (version.time > now() + DEFAULT_SKEW || Math.abs(offset) > DEFAULT_SKEW) {
      throw new FitError('clock-wrong', 'your clock and theirs differ by more than five minutes', {
        hint: 'set the clocks; nothing was signed',
      });
    }
  }
}
