/**
 * Pinned cards (DESIGN §5). Adding one pins its certificate; only a higher serial of the same keys replaces it unasked;
 * other keys need a person and make the contact unverified again. The address book (certificate, PeerId, addresses) is kept
 * apart, readable while locked, so that queues go on.
 */

import type { Journal } from '../archive/journal.ts';
import type { Archive } from '../archive/sealed-store.ts';
import type { StoreOp } from '../archive/store.ts';
import { type Card, compareCards, parseCard } from '../commerce/card.ts';
import { contactWords, sameWords } from '../commerce/words.ts';
import { peerIdText } from '../crypto/transport.ts';
import { equal, toHex } from '../lib/bytes.ts';
import { decode, encode, read } from '../lib/cbor.ts';
import { type Clock, isoTime, seconds } from '../lib/clock.ts';
import { FitError, PeerFault } from '../lib/errors.ts';
import type { Link } from '../p2p/link.ts';
import type { ContactResult, EventKind } from '../rpc/agent.ts';
import type { Events } from './events.ts';
import type { Identity } from './identity.ts';

/** Names that a person gives contacts: they stand in commands. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/;
const MAX_CONTACTS = 10_000;
const MAX_STORED = 64 * 1024;

export interface Contact {
  readonly name: string;
  readonly card: Card;
  readonly verified: boolean;
  /** Verified by somebody who had proven the passphrase: what rules trust. */
  readonly attested: boolean;
  /** Seconds since 1970. */
  readonly added: number;
}

export interface Contacts {
  /** The address book: also while locked. */
  loadBook(): Promise<void>;
  load(): Promise<void>;
  unload(): void;
  add(text: string, as: string, replace: boolean): Promise<ContactResult>;
  list(): readonly ContactResult[];
  show(name: string): ContactResult;
  /** `attested`: whoever says so has proven the passphrase. */
  verify(name: string, words: string, attested: boolean): Promise<ContactResult>;
  remove(name: string): Promise<void>;
  named(name: string): Contact;
  /** SHA-256 of a contact's certificate, hex. */
  certificateOf(name: string): string | undefined;
  /** By certificate hash, hex. */
  of(certificate: string): Contact | undefined;
  peerOf(certificate: string): string | undefined;
  /** A card that a contact sent of itself: an address update. */
  update(certificate: string, card: Uint8Array): Promise<void>;
  certificates(): readonly string[];
}

export interface ContactPorts {
  readonly archive: Archive;
  readonly journal: () => Journal;
  readonly identity: Identity;
  readonly link: Link;
  readonly clock: Clock;
  readonly events: Events;
  /** Whether a deal with this certificate's owner is open: without its address nothing could be sent to it any more. */
  readonly inUse: (certificate: string) => boolean;
  /** A certificate was pinned: what its owner sent before could not be taken. */
  readonly onAdded: (certificate: string) => void;
}

const hashOf = (card: Card): string => toHex(card.certificate.hash);

export function createContacts(ports: ContactPorts): Contacts {
  const contacts = new Map<string, Contact>();
  /** Certificate → PeerId and addresses. */
  const book = new Map<string, { readonly peer: string; readonly addresses: readonly string[] }>();

  const enter = (certificate: string, peer: string, addresses: readonly string[]): void => {
    book.set(certificate, { peer, addresses });
    ports.link.learn(peer, addresses);
  };

  const bookOp = (): StoreOp => ({
    kind: 'put',
    space: 'meta',
    key: 'book',
    value: encode([...book].map(([certificate, { peer, addresses }]) => [certificate, peer, addresses])),
  });

  /** Stores what is to be known of one contact, in memory once it is durable. */
  const save = async (contact: Contact, kind: EventKind): Promise<void> => {
    const certificate = hashOf(contact.card);
    const before = contacts.get(contact.name);
    if (before !== undefined && hashOf(before.card) !== certificate) book.delete(hashOf(before.card));
    book.set(certificate, { peer: peerIdText(contact.card.peer), addresses: contact.card.addresses });
    const value = encode([2, contact.name, contact.card.bytes, contact.verified, contact.added, contact.attested]);
    const time = seconds(ports.clock.now());
    await ports
      .journal()
      .append(
        [{ time, kind, ref: certificate, payload: encode(contact.name) }],
        [{ kind: 'put', space: 'contacts', key: contact.name, value }, bookOp()],
      );
    contacts.set(contact.name, contact);
    enter(certificate, peerIdText(contact.card.peer), contact.card.addresses);
    ports.events.emit({ kind, contact: contact.name });
  };

  const named = (name: string): Contact => {
    const contact = contacts.get(name);
    if (contact === undefined)
      throw new FitError('not-found', 'there is no such contact', { hint: 'fit contact list' });
    return contact;
  };

  const of = (certificate: string): Contact | undefined => {
    for (const contact of contacts.values()) if (hashOf(contact.card) === certificate) return contact;
    return undefined;
  };

  const words = (card: Card): string => contactWords(ports.identity.card(), card);

  const show = (contact: Contact): ContactResult => {
    const peer = peerIdText(contact.card.peer);
    return {
      contact: contact.name,
      name: contact.card.name,
      fingerprint: hashOf(contact.card),
      peer,
      addresses: contact.card.addresses,
      roles: contact.card.roles.map((role) => role.role),
      words: words(contact.card),
      verified: contact.verified,
      attested: contact.attested,
      online: ports.link.connected(peer),
      serial: contact.card.serial,
      recipient: contact.card.recipient,
      added: isoTime(contact.added),
    };
  };

  const refuseInUse = (card: Card): void => {
    if (!ports.inUse(hashOf(card))) return;
    throw new FitError('wrong-state', 'a deal with this contact is open', {
      hint: 'decline, withdraw or finish it first',
    });
  };

  /** Whether `card` may take the place of `pinned` without a person's word. */
  const checkReplacement = (pinned: Card, card: Card, replace: boolean): void => {
    const update = compareCards(pinned, card);
    if (update === 'older' && !replace) {
      throw new FitError('card-conflict', 'this card is older than the pinned one', {
        hint: 'ask for the present card',
      });
    }
    if (update === 'changed' && !replace) {
      throw new FitError('card-conflict', 'this card has other keys than the pinned one', {
        hint: 'ask its owner, then add it with --replace; it will be unverified',
      });
    }
  };

  return {
    async loadBook() {
      const stored = await ports.archive.get('meta', 'book');
      if (stored === undefined) return;
      for (const one of read.list(decode(stored, 64 * 1024 * 1024), MAX_CONTACTS, 'address book')) {
        const [certificate, peer, addresses] = read.array(one, 3, 'entry');
        enter(
          read.text(certificate, 64, 'certificate'),
          read.text(peer, 128, 'peer'),
          read.list(addresses, 16, 'addresses').map((address) => read.text(address, 256, 'address')),
        );
      }
    },
    async load() {
      contacts.clear();
      for await (const [, value] of ports.archive.list('contacts')) {
        const [version, name, card, verified, added, attested] = read.list(decode(value, MAX_STORED), 6, 'contact');
        if (version !== 1) read.literal(version, 2, 'contact version');
        const contact = {
          name: read.text(name, 32, 'name'),
          card: parseCard(read.blob(card, MAX_STORED, 'card')),
          verified: verified === true,
          attested: verified === true && attested === true,
          added: read.uint(added, 'added'),
        };
        contacts.set(contact.name, contact);
        enter(hashOf(contact.card), peerIdText(contact.card.peer), contact.card.addresses);
      }
    },
    unload() {
      contacts.clear();
    },
    async add(text, as, replace) {
      if (!NAME.test(as))
        throw new FitError('usage', 'a contact’s name has 1 to 32 letters, digits, dots, dashes or underscores');
      const now = seconds(ports.clock.now());
      const card = parseCard(text, now);
      if (equal(card.certificate.hash, ports.identity.card().certificate.hash)) {
        throw new FitError('bad-card', 'this is your own card');
      }
      const pinned = contacts.get(as);
      const other = of(hashOf(card));
      if (other !== undefined && other.name !== as) {
        throw new FitError('card-conflict', `this trader is pinned already, as ${other.name}`);
      }
      if (pinned !== undefined) {
        checkReplacement(pinned.card, card, replace);
        if (hashOf(pinned.card) !== hashOf(card)) refuseInUse(pinned.card);
        if (equal(pinned.card.bytes, card.bytes)) return show(pinned);
      }
      if (contacts.size >= MAX_CONTACTS) throw new FitError('refused', `no more than ${MAX_CONTACTS} contacts`);
      const sameKeys = pinned !== undefined && compareCards(pinned.card, card) !== 'changed';
      await save(
        {
          name: as,
          card,
          verified: sameKeys && pinned.verified,
          attested: sameKeys && pinned.attested,
          added: sameKeys ? pinned.added : now,
        },
        'contact-added',
      );
      ports.onAdded(hashOf(card));
      return show(named(as));
    },
    list: () => [...contacts.values()].map(show),
    show: (name) => show(named(name)),
    async verify(name, spoken, attested) {
      const contact = named(name);
      if (!sameWords(spoken, words(contact.card))) {
        throw new FitError('words-differ', 'the words are not those of this contact', {
          hint: 'read them again, all 16; if they still differ, the card is not theirs',
        });
      }
      if (!contact.verified || (attested && !contact.attested))
        await save({ ...contact, verified: true, attested: attested || contact.attested }, 'contact-verified');
      return show(named(name));
    },
    async remove(name) {
      const contact = named(name);
      refuseInUse(contact.card);
      const certificate = hashOf(contact.card);
      book.delete(certificate);
      const time = seconds(ports.clock.now());
      await ports
        .journal()
        .append(
          [{ time, kind: 'contact-removed', ref: certificate, payload: encode(name) }],
          [{ kind: 'delete', space: 'contacts', key: name }, bookOp()],
        );
      contacts.delete(name);
      ports.events.emit({ kind: 'contact-removed', contact: name });
    },
    named,
    certificateOf(name) {
      const contact = contacts.get(name);
      return contact === undefined ? undefined : hashOf(contact.card);
    },
    of,
    peerOf: (certificate) => book.get(certificate)?.peer,
    async update(certificate, bytes) {
      const contact = of(certificate);
      // Before anything is computed for it: anybody may connect.
      if (contact === undefined) throw new PeerFault('bad-record', 'a card of a stranger');
      const card = parseCard(bytes);
      if (hashOf(card) !== certificate) throw new PeerFault('bad-record', 'a card of somebody else');
      const update = compareCards(contact.card, card);
      if (update === 'changed') throw new PeerFault('bad-record', 'a card with other keys');
      if (update === 'newer') await save({ ...contact, card }, 'contact-updated');
    },
    certificates: () => [...book.keys()],
  };
}
