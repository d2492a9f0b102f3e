/**
 * Accepting the current version of a deal: with a consent the accepting side becomes originator, its exchange record is made
 * from the text and the cards, and the exchange begins (PROTOCOL §3, §6).
 */
import type { StoreOp } from '../archive/store.ts';
import type { Card } from '../commerce/card.ts';
import { currentVersion, type Deal, isFinalState, openExchange, type Version } from '../commerce/deal.ts';
import { type Document, parseDocument } from '../commerce/document.ts';
import { GENERATOR } from '../crypto/p256.ts';
import { checkRecord, makeRecord } from '../exchange/contract.ts';
import { checkValidity } from '../exchange/credential.ts';
import { exchangeTerms } from '../exchange/document.ts';
import { DEFAULT_SKEW } from '../exchange/frame.ts';
import { windowOf } from '../exchange/items.ts';
import type { ContentTerms } from '../exchange/terms.ts';
import { present } from '../lib/assert.ts';
import { equal, toHex } from '../lib/bytes.ts';
import { formatDuration } from '../lib/duration.ts';
import { FitError, PeerFault } from '../lib/errors.ts';
import { leastWindow } from '../lib/window.ts';
import type { Approvals, Authority } from './approvals.ts';
import type { Consent } from './consents.ts';
import type { Contact } from './contacts.ts';
import { createDealParties } from './deal-parties.ts';
import type { DealWrites } from './deal-writes.ts';
import { exchangeTransaction } from './exchange-course.ts';
import type { Prepared } from './exchanges.ts';
import type { Offered } from './offers.ts';
import type { Parts } from './parts.ts';
import { refusal } from './refusal.ts';

export interface AcceptancePorts {
  settle(deal: Deal): Promise<Deal>;
  /** Seconds that the clock of this certificate's owner was ahead of ours when it was last heard. */
  ahead(certificate: string): number;
}

/**
 * Seconds after the end of an offer in which the key of a transfer that was accepted in time is still taken: it may have come when
 * we were locked. An offer that ends while we are not, ends its consent.
 */
const WHILE_LOCKED = 30 * 86_400;

/** Stand for key points that are not there yet when a record is tried. */
const SECOND_POINT = Uint8Array.from(GENERATOR, (byte, at) => (at === 0 ? 5 - byte : byte));

/** What the other side offered and nobody may sign is said in words. Throws `peer-fault`. */
function checkSignable(...[record, terms, parties, limits]: Parameters<typeof checkRecord>): void {
  try {
    checkRecord(record, terms, parties, limits);
  } catch (error) {
    if (!(error instanceof PeerFault)) throw error;
    throw new FitError('peer-fault', `this offer cannot be signed: ${error.message}`, {
      hint: 'ask for another offer; nothing was signed',
      cause: error,
    });
  }
}

interface Receiving {
  readonly deal: Deal;
  readonly version: Version;
  readonly document: Document;
  readonly contact: Contact;
  readonly arbiter: Card;
  readonly warnings: readonly string[];
}

export function createAcceptance(parts: Parts, writes: DealWrites, approvals: Approvals, ports: AcceptancePorts) {
  const { store, contacts, rng } = parts;
  const { chosenArbiter, pinnedArbiter, warningsFor, partiesFor, limitsFor, arbiterAddress } = createDealParties(parts);
  const { now, us } = writes;

  /** The protocol refuses times from the future; better to say so before a person has signed. */
  const checkClocks = (deal: Deal, version: Version): void => {
    if (version.time > now() + DEFAULT_SKEW || Math.abs(ports.ahead(toHex(deal.them))) > DEFAULT_SKEW) {
      throw new FitError('clock-wrong', 'your clock and theirs differ by more than five minutes', {
        hint: 'set the clocks; nothing was signed',
      });
    }
  };

  /** The consent begins the fetch. Accepting twice is one acceptance. `ours`: content of ours that the text names again. */
  const fetchUnder = async (
    { deal, version, document, warnings }: Pick<Receiving, 'deal' | 'version' | 'document' | 'warnings'>,
    content: ContentTerms,
    authority: Authority,
    rate: number | null,
    ours?: StoreOp,
  ): Promise<Offered> => {
    const digest = toHex(version.document);
    await parts.deliveries.checkRoom(content);
    const wanted = {
      kind: 'acceptance' as const,
      deal: deal.id,
      document,
      peer: toHex(deal.them),
      arbiterCard: version.arbiterCard === null ? '' : toHex(version.arbiterCard),
      base: null,
      expires: document.terms.transfer === null ? document.terms.notAfter : version.offerUntil + WHILE_LOCKED,
      latest: version.offerUntil,
      keep: [],
    };
    return approvals.gate(wanted, authority, async (grant) => {
      const { ops, begin } = await parts.deliveries.accept(digest, deal.id, toHex(deal.them), rate);
      await writes.record([grant], ours === undefined ? ops : [...ops, ours]);
      begin();
      return { deal: deal.id, document: document.bytes, digest, state: deal.state, warnings };
    });
  };

  /** What was accepted before, if it was; a request beside it has nothing left to ask for. */
  const acceptedBefore = (
    { deal, version, document, warnings }: Omit<Receiving, 'contact' | 'arbiter'>,
    authority: Authority,
  ) => {
    const digest = toHex(version.document);
    const accepted = parts.consents
      .of(deal.id)
      .some((one) => one.kind === 'acceptance' && one.document === digest && one.status === 'granted');
    if (!accepted) return undefined;
    if (authority.granting !== undefined)
      throw new FitError('wrong-state', 'this has been accepted already', { hint: `fit deal show ${deal.id}` });
    return { deal: deal.id, document: document.bytes, digest, state: deal.state, warnings };
  };

  /**
   * Content of an exchange: the consent begins the fetch; our promise of a receipt comes when all of it is here and its sender has promised the
   * key. Whether a record could be made of it is tried with a key point that is none.
   */
  const receive = async (
    { deal, version, document, contact, arbiter, warnings }: Receiving,
    content: ContentTerms,
    authority: Authority,
    rate: number | null,
  ): Promise<Offered> => {
    const digest = toHex(version.document);
    const { other } = document.terms;
    const isSwap = document.terms.format === 'swap/1';
    const parties = partiesFor(isSwap ? 'O' : 'R', contact, arbiter, undefined);
    const terms = exchangeTerms(document);
    const ours = isSwap && other !== null ? await parts.deliveries.again(digest, deal.id, other) : undefined;
    if (isSwap && ours === undefined)
      throw new FitError('wrong-state', 'the swap does not name your content as you offered it', {
        hint: `fit deal show ${deal.id} --text`,
      });
    const none = { point: GENERATOR, ciphertextRoot: new Uint8Array(32) };
    const sealed = isSwap ? { O: none, R: { ...none, point: SECOND_POINT } } : { O: none };
    const record = makeRecord(terms, parties, { nonce: rng(32), signingTime: now(), sealed });
    checkSignable(record, terms, parties, limitsFor(arbiter, parties, version.time));
    checkValidity(content.credential, document.terms.notAfter);
    if (document.terms.check !== 'full' && windowOf(document.terms.check) < leastWindow(content.bytes))
      throw new FitError('wrong-state', 'the window is too short to compare that much content in it', {
        hint: `ask for another offer, with --check window=${formatDuration(leastWindow(content.bytes))}; nothing was signed`,
      });
    return fetchUnder({ deal, version, document, warnings }, content, authority, rate, ours);
  };

  const accept = async (
    prefix: string,
    shown: string | undefined,
    authority: Authority,
    rate: number | null = null,
  ): Promise<Offered> => {
    const { id } = await ports.settle(store.find(prefix));
    let fresh: Prepared | undefined;
    const result = await writes.locks.run(id, async (): Promise<Offered> => {
      const deal = writes.held(id);
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
      const chosen = await chosenArbiter(version);
      const warnings = warningsFor(contact, chosen === undefined ? null : pinnedArbiter(chosen.contact, id));
      // Accepting twice is one acceptance.
      const accepted = deal.exchanges.some(
        (one) => equal(one.document, version.document) && equal(one.acceptor, deal.us),
      );
      if (accepted && (deal.state === 'signing' || deal.state === 'contracted') && authority.granting === undefined)
        return { deal: id, document: bytes, digest, state: deal.state, warnings };
      // The reducer says the same below; here before the record is made, whose faults would be blamed on the peer.
      if (isFinalState(deal.state)) throw refusal('ended', id);
      if (openExchange(deal) !== undefined) throw refusal('under-way', id);
      if (equal(version.by, deal.us)) throw refusal('not-yours', id);
      const document = parseDocument(bytes);
      checkClocks(deal, version);
      const { content } = document.terms;
      const before = content === null ? undefined : acceptedBefore({ deal, version, document, warnings }, authority);
      if (before !== undefined) return before;
      if (content !== null && document.terms.transfer !== null) {
        checkValidity(content.credential, document.terms.notAfter, 'the offer does');
        return fetchUnder({ deal, version, document, warnings }, content, authority, rate);
      }
      const { card: arbiter, contact: pinned } = present(chosen, 'the arbiter of an exchange');
      if (content !== null)
        return receive({ deal, version, document, contact, arbiter, warnings }, content, authority, rate);
      const parties = partiesFor('O', contact, arbiter, undefined);
      const terms = exchangeTerms(document);
      const record = makeRecord(terms, parties, { nonce: rng(32), signingTime: now(), sealed: null });
      checkSignable(record, terms, parties, limitsFor(arbiter, parties, version.time));
      const wanted = {
        kind: 'acceptance' as const,
        deal: id,
        document,
        peer: toHex(deal.them),
        arbiterCard: toHex(present(version.arbiterCard, 'card')),
        base: null,
        expires: document.terms.notAfter,
        latest: version.offerUntil,
        keep: [],
      };
      return approvals.gate(wanted, authority, async (grant) => {
        const prepared = parts.exchanges.prepare({
          record,
          parties,
          peer: toHex(deal.them),
          arbiter: arbiterAddress(arbiter, pinned),
          consent: grant.consent.id,
        });
        const transaction = exchangeTransaction(deal, prepared.exchange, 'acceptance', us(), now());
        const after = writes.take(deal, transaction, now());
        await writes.commit(deal, after, { ops: prepared.ops, changes: [grant] });
        fresh = prepared;
        return { deal: id, document: bytes, digest, state: after.state, warnings };
      });
    });
    if (fresh === undefined) return result;
    await parts.exchanges.accept(fresh);
    return { ...result, state: store.get(id)?.state ?? result.state };
  };

  return {
    accept,
    grant: (consent: Consent, authority: Authority): Promise<Offered> =>
      accept(consent.deal, consent.document, authority),
  };
}
