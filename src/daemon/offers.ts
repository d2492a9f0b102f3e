/**
 * New versions of ours: a text is completed, linted and shown as a draft; with a consent it becomes an offer, in one write
 * with the message that carries it. What a request for an offer keeps is the draft's exact bytes; granted, they are offered.
 */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { StoreOp } from '../archive/store.ts';
import { type Card, parseCard } from '../commerce/card.ts';
import { currentVersion, type Deal, newDeal, tipOf } from '../commerce/deal.ts';
import {
  completeDocument,
  type Document,
  type DocumentContext,
  parseDocument,
  type Terms,
} from '../commerce/document.ts';
import { type Negotiation, transactionOf } from '../commerce/messages.ts';
import { noteOf } from '../commerce/note.ts';
import { transferNoteOf } from '../commerce/transfer-note.ts';
import { sha256 } from '../crypto/hash.ts';
import {
  type CredentialTerms,
  checkValidity,
  describeCredential,
  MAX_CREDENTIAL_BYTES,
  type TextKind,
} from '../exchange/credential.ts';
import { type ContentCheck, MAX_FULL_BYTES } from '../exchange/items.ts';
import type { ContentTerms, TransferTerms } from '../exchange/terms.ts';
import { present } from '../lib/assert.ts';
import { equal, toHex, utf8 } from '../lib/bytes.ts';
import { formatDuration } from '../lib/duration.ts';
import { FitError, isFitError } from '../lib/errors.ts';
import { newId } from '../lib/rng.ts';
import { leastWindow } from '../lib/window.ts';
import type { Approvals, Authority } from './approvals.ts';
import type { Consent } from './consents.ts';
import type { Contact } from './contacts.ts';
import { createDealParties, roleOf } from './deal-parties.ts';
import type { DealWrites } from './deal-writes.ts';
import { sourceOf } from './delivery-names.ts';
import type { Parts } from './parts.ts';

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
  /** What a note of ours gives, if it is one. */
  readonly credential?: CredentialTerms;
}

/** A completed text, and what it would be offered with. */
interface Draft {
  readonly before: Deal | undefined;
  readonly id: string;
  readonly contact: Contact;
  /** null, as its card, for a transfer. */
  readonly arbiter: Contact | null;
  readonly arbiterCard: Card | null;
  readonly document: Document;
  /** What else belongs to it on disk. */
  readonly also: readonly StoreOp[];
}

/** Content that is prepared, for the note that delivers it. */
interface Delivered {
  readonly context: Pick<DocumentContext, 'delivery' | 'references'>;
  readonly keep: (document: string, deal: string) => StoreOp;
}

export interface DeliverRequest {
  /** Whole paths. */
  readonly files: readonly string[];
  /** A contract whose parties and arbiter are meant, or a contact. */
  readonly deal?: string | undefined;
  readonly to?: string | undefined;
  readonly arbiter?: string | undefined;
  /** Seconds; 0 for a full check instead. */
  readonly window: number;
  readonly expires?: number | undefined;
  /** What the note says beside the names of the files. */
  readonly text?: string | undefined;
  readonly dryRun: boolean;
  /** For content of the other side instead of a receipt; `want` unless it answers a swap of theirs. */
  readonly swap: boolean;
  /** The one file is a credential, to be described as such: as this text, or by what is seen from it. */
  readonly credential: boolean | TextKind;
  readonly want?: string | undefined;
  /** One way, without an arbiter, with these attributes. */
  readonly transfer?: TransferTerms | undefined;
}

type Swap = NonNullable<NonNullable<DocumentContext['delivery']>['swap']>;

/** Under which a card is kept, hex; empty where there is none. */
const cardHash = (card: Card | null): string => (card === null ? '' : toHex(sha256(card.bytes)));

/** What the one file says of itself as a credential. */
async function credentialOf(files: readonly string[], as: true | TextKind): Promise<CredentialTerms> {
  const [path] = files;
  if (path === undefined || files.length !== 1) throw new FitError('usage', 'a credential is one file');
  await sourceOf(path);
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((cause: unknown) => {
    throw new FitError('bad-file', `${path} cannot be read`, { cause });
  });
  try {
    // Whatever it says of its size, and has become meanwhile.
    const bytes = new Uint8Array(MAX_CREDENTIAL_BYTES + 1);
    let filled = 0;
    for (let read = -1; read !== 0; filled += read)
      ({ bytesRead: read } = await file.read(bytes, filled, bytes.length - filled));
    return describeCredential(bytes.slice(0, filled), as === true ? undefined : as);
  } finally {
    await file.close();
  }
}

export function createOffers(
  parts: Parts,
  writes: DealWrites,
  approvals: Approvals,
  settle: (deal: Deal) => Promise<Deal>,
) {
  const { store, contacts, identity, outbox, rng } = parts;
  const { arbiterOf, chosenArbiter, pinnedArbiter, timesFor, endFor, warningsFor } = createDealParties(parts);
  const { now, us } = writes;

  const peerOf = (deal: Deal): Contact => {
    const contact = contacts.of(toHex(deal.them));
    if (contact === undefined)
      throw new FitError('not-found', 'the other side is no longer a contact', { hint: 'fit contact add' });
    return contact;
  };

  const draft = (
    before: Deal | undefined,
    id: string,
    contact: Contact,
    arbiter: Contact | null,
    arbiterCard: Card | null,
    request: Omit<OfferRequest, 'to' | 'arbiter'>,
    answers?: Terms,
    delivery?: Delivered,
  ): Draft => {
    const own = identity.card();
    const ends = [own, contact.card, ...(arbiterCard === null ? [] : [arbiterCard])].map(
      (one) => one.certificate.notAfter,
    );
    const chainEnd = Math.min(...ends);
    const role = arbiterCard === null ? null : roleOf(arbiterCard);
    const offerUntil = role === null ? endFor(request.expires, chainEnd) : 0;
    const times =
      role === null ? { offerUntil, notAfter: offerUntil, margin: 0 } : timesFor(request.expires, role, chainEnd);
    const bytes = completeDocument(request.document, {
      deal: id,
      author: { name: own.name, certificate: own.certificate.hash },
      addressee: { name: contact.card.name, certificate: contact.card.certificate.hash },
      arbiter:
        arbiterCard === null || role === null
          ? null
          : { name: arbiterCard.name, certificate: arbiterCard.certificate.hash, terms: role.termsDigest },
      mode: request.mode ?? answers?.arbiter?.mode ?? 'invisible',
      ...times,
      ...(answers === undefined ? {} : { answers }),
      ...(delivery === undefined ? {} : delivery.context),
      fixed: [
        ...(request.mode === undefined ? [] : (['mode'] as const)),
        ...(request.expires === undefined ? [] : (['offerUntil'] as const)),
      ],
    });
    const document = parseDocument(bytes);
    const also = delivery === undefined ? [] : [delivery.keep(toHex(document.digest), id)];
    return { before, id, contact, arbiter, arbiterCard, document, also };
  };

  /** The deal with the draft as its new version, and the message that says so. Refuses what the deal's rules refuse. */
  const withVersion = ({ before, id, contact, arbiterCard, document }: Draft) => {
    const deal = before ?? newDeal(id, us(), contact.card.certificate.hash);
    const negotiation: Negotiation = {
      kind: 'negotiation',
      deal: id,
      parent: tipOf(deal),
      time: now(),
      body: {
        kind: before === undefined ? 'offer' : 'counter-offer',
        version: (currentVersion(deal)?.number ?? 0) + 1,
        document: document.bytes,
        arbiterCard: arbiterCard === null ? null : arbiterCard.bytes,
        offerUntil: document.terms.offerUntil,
      },
    };
    return { after: writes.take(deal, transactionOf(negotiation, us()), now()), negotiation };
  };

  const keep = ({ document, arbiterCard, also }: Draft): readonly StoreOp[] => [
    ...also,
    store.keep('document', toHex(document.digest), document.bytes),
    ...(arbiterCard === null ? [] : [store.keep('card', cardHash(arbiterCard), arbiterCard.bytes)]),
  ];

  const baseOf = (before: Deal | undefined): string | null => {
    const version = before === undefined ? undefined : currentVersion(before);
    return version === undefined ? null : toHex(version.document);
  };

  const offer = async (made: Draft, dryRun: boolean, authority: Authority): Promise<Offered> => {
    const { before, id, contact, arbiter, arbiterCard, document } = made;
    const digest = toHex(document.digest);
    const credential = document.terms.content?.credential ?? null;
    const result = {
      deal: id,
      document: document.bytes,
      digest,
      warnings: warningsFor(contact, arbiter),
      ...(credential === null ? {} : { credential }),
    };
    const last = document.terms.transfer === null ? [] : (['the offer does'] as const);
    checkValidity(credential, document.terms.notAfter, ...last);
    const { other } = document.terms;
    // Theirs, which is fetched as soon as they have accepted: nobody here is asked again.
    if (other !== null) {
      checkValidity(other.credential, document.terms.notAfter);
      await parts.deliveries.checkRoom(other);
    }
    const { after, negotiation } = withVersion(made);
    if (dryRun) return { ...result, state: after.state };
    const wanted = {
      kind: 'offer' as const,
      deal: id,
      document,
      peer: toHex(contact.card.certificate.hash),
      arbiterCard: cardHash(arbiterCard),
      base: baseOf(before),
      expires: document.terms.offerUntil,
      latest: document.terms.offerUntil,
      keep: keep(made),
    };
    return approvals.gate(wanted, authority, async (grant) => {
      const withdrawn = writes.outdated(after, grant.consent.id);
      const { ops, posted } = outbox.post(writes.letterTo(after, negotiation));
      await writes.commit(before, after, {
        ops: [...keep(made), ...ops],
        changes: [...withdrawn, grant],
        done: [posted],
      });
      return { ...result, state: after.state };
    });
  };

  const checkFull = (bytes: number, swap: boolean): void => {
    if (swap)
      throw new FitError('usage', 'a swap has no full check', { hint: 'leave --check away, or give it a window' });
    if (bytes > MAX_FULL_BYTES)
      throw new FitError('usage', `a full check takes at most ${MAX_FULL_BYTES / 1024 ** 2} MiB of content`, {
        hint: 'give it a window: --check window=72h; nothing was signed',
      });
  };

  /** Makes content of the files, and takes it away again if nothing came of it. */
  const withContent = async (
    id: string,
    request: DeliverRequest,
    use: (content: ContentTerms, keep: Delivered['keep']) => Promise<Offered>,
  ): Promise<Offered> => {
    // Before all of it is read.
    if (request.window === 0 && request.transfer === undefined) {
      const files = await Promise.all(request.files.map(sourceOf));
      checkFull(
        files.reduce((sum, { size }) => sum + size, 0),
        request.swap,
      );
    }
    const credential = request.credential === false ? null : await credentialOf(request.files, request.credential);
    const made = await parts.deliveries.make(id, request.files);
    let kept = false;
    try {
      const result = await use({ ...made.content, credential }, made.keep);
      kept = !request.dryRun;
      return result;
    } catch (error) {
      kept = isFitError(error) && error.code === 'needs-approval';
      throw error;
    } finally {
      if (!kept) await made.discard();
    }
  };

  const deliveryOf = (content: ContentTerms, { window }: DeliverRequest, swap: Swap | undefined) => {
    if (window === 0) {
      checkFull(content.bytes, swap !== undefined);
      return { content, check: 'full' as const };
    }
    const least = leastWindow(Math.max(content.bytes, swap !== undefined && 'other' in swap ? swap.other.bytes : 0));
    if (window < least)
      throw new FitError('usage', 'the window is too short to compare that much content in it', {
        hint: `--check window=${formatDuration(least)} at least`,
      });
    const check: ContentCheck = `window=${window}`;
    return { content, check, ...(swap === undefined ? {} : { swap }) };
  };

  const restOf = (
    content: ContentTerms,
    { window, text, expires, dryRun }: DeliverRequest,
    swap: Swap | undefined,
  ) => ({
    document: utf8(noteOf(content, window, text, swap)),
    expires,
    mode: 'invisible' as const,
    dryRun,
  });

  /** Our files for what a swap of theirs wants. */
  const answer = (id: string, request: DeliverRequest, authority: Authority): Promise<Offered> =>
    withContent(id, request, (content, keep) =>
      writes.locks.run(id, async () => {
        const deal = writes.held(id);
        const version = present(currentVersion(deal), 'version');
        const contact = peerOf(deal);
        const { terms } = parseDocument(await store.fetch('document', toHex(version.document)));
        if (terms.content === null || terms.want === null || equal(version.by, deal.us))
          throw new FitError('wrong-state', 'this does not wait for files of yours', { hint: `fit deal show ${id}` });
        const { card, contact: pinned } = await arbiterOf(version);
        const swap = { other: terms.content };
        // The answer is a text of its own, and fulfils what the offer fulfils.
        const { references } = terms;
        const delivered: Delivered = { context: { delivery: deliveryOf(content, request, swap), references }, keep };
        const rest = restOf(content, request, swap);
        const made = draft(deal, id, contact, pinnedArbiter(pinned, id), card, rest, terms, delivered);
        return offer(made, request.dryRun, authority);
      }),
    );

  return {
    async propose(request: OfferRequest, authority: Authority): Promise<Offered> {
      const contact = contacts.named(request.to);
      const arbiter = contacts.named(request.arbiter);
      if (contact.name === arbiter.name) throw new FitError('usage', 'the arbiter must be somebody else');
      return offer(draft(undefined, newId(rng), contact, arbiter, arbiter.card, request), request.dryRun, authority);
    },

    /**
     * Offers files for a signed receipt, or for what is wanted of the other side: a deal of its own, which names the contract that
     * it fulfils. A swap that says what it wants is answered with files, as a counter-offer that names both contents.
     */
    async deliver(request: DeliverRequest, authority: Authority): Promise<Offered> {
      const found = request.deal === undefined ? undefined : store.find(request.deal);
      const about = found === undefined ? undefined : currentVersion(found);
      const wanted = about === undefined ? null : parseDocument(await store.fetch('document', toHex(about.document)));
      const isAnswer = wanted !== null && wanted.terms.want !== null;
      if (request.swap && isAnswer && request.want !== undefined)
        throw new FitError('usage', 'this is a swap already: an answer to it says nothing of what is wanted', {
          hint: 'leave --want away',
        });
      if (request.swap && found !== undefined && isAnswer) return answer((await settle(found)).id, request, authority);
      if (request.transfer !== undefined && (request.swap || request.arbiter !== undefined))
        throw new FitError('usage', 'a transfer goes one way and has no arbiter', { hint: 'leave --receipt away' });
      if (request.swap && request.want === undefined)
        throw new FitError('usage', 'what is wanted for it?', { hint: 'add --want' });
      const to = found === undefined ? contacts.named(request.to ?? '') : peerOf(found);
      const references = about === undefined ? [] : [about.document];
      const id = newId(rng);
      const { transfer } = request;
      if (transfer !== undefined)
        return withContent(id, request, (content, keep) => {
          const { text, expires, dryRun } = request;
          const delivered: Delivered = {
            context: { delivery: { content, check: 'none', transfer }, references },
            keep,
          };
          const rest = { document: utf8(transferNoteOf(content, transfer, text)), expires, dryRun };
          return offer(draft(undefined, id, to, null, null, rest, undefined, delivered), dryRun, authority);
        });
      const given = about === undefined ? undefined : await chosenArbiter(about);
      const arbiter =
        request.arbiter !== undefined
          ? contacts.named(request.arbiter)
          : given !== undefined
            ? pinnedArbiter(given.contact, found?.id ?? '')
            : undefined;
      if (arbiter === undefined) throw new FitError('usage', 'who is the arbiter?', { hint: 'add --arbiter' });
      if (to.name === arbiter.name) throw new FitError('usage', 'the arbiter must be somebody else');
      const swap = request.want === undefined ? undefined : { want: request.want };
      return withContent(id, request, (content, keep) => {
        const delivered: Delivered = { context: { delivery: deliveryOf(content, request, swap), references }, keep };
        const rest = restOf(content, request, swap);
        const made = draft(undefined, id, to, arbiter, arbiter.card, rest, undefined, delivered);
        return offer(made, request.dryRun, authority);
      });
    },

    async counter(
      prefix: string,
      request: Omit<OfferRequest, 'to' | 'arbiter'>,
      authority: Authority,
    ): Promise<Offered> {
      const { id } = await settle(store.find(prefix));
      return writes.locks.run(id, async () => {
        const deal = writes.held(id);
        const contact = peerOf(deal);
        const version = present(currentVersion(deal), 'version');
        const { terms } = parseDocument(await store.fetch('document', toHex(version.document)));
        if (terms.transfer !== null)
          throw new FitError('wrong-state', 'a transfer is received or declined, not answered with another text', {
            hint: `fit deal receive ${id}, or fit deal decline ${id}`,
          });
        const { card, contact: pinned } = await arbiterOf(version);
        const made = draft(deal, id, contact, pinnedArbiter(pinned, id), card, request, terms);
        return offer(made, request.dryRun, authority);
      });
    },

    /** Offers the bytes that a request keeps, if everything is still as it was when they were shown. */
    async grant(consent: Consent, authority: Authority): Promise<Offered> {
      const found = store.get(consent.deal);
      if (found !== undefined) await settle(found);
      return writes.locks.run(consent.deal, async () => {
        const before = store.get(consent.deal);
        const contact = contacts.of(consent.peer);
        const arbiter = contacts.of(consent.arbiter);
        if (contact === undefined || (before !== undefined && !equal(before.them, contact.card.certificate.hash)))
          throw new FitError('not-found', 'the other side is not the contact that it was', {
            hint: 'fit contact list',
          });
        if (baseOf(before) !== consent.base)
          throw new FitError('wrong-state', 'the deal has moved on since: nothing was signed', {
            hint: `fit deal show ${consent.deal}`,
          });
        const document = parseDocument(await store.fetch('document', consent.document));
        const [author] = document.terms.parties;
        if (!equal(author.certificate, us()) || now() >= document.terms.offerUntil)
          throw new FitError('wrong-state', 'the text can no longer be offered: nothing was signed', {
            hint: 'propose it again',
          });
        const isTransfer = document.terms.transfer !== null;
        const arbiterCard = isTransfer ? null : parseCard(await store.fetch('card', consent.arbiterCard));
        const pinned = isTransfer ? null : pinnedArbiter(arbiter, consent.deal);
        return offer(
          { before, id: consent.deal, contact, arbiter: pinned, arbiterCard, document, also: [] },
          false,
          authority,
        );
      });
    },
  };
}
