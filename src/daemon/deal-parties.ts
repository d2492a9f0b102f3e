/**
 * Who takes part in a deal, under which card and until when: the arbiter that came with a version, both sides as the exchange
 * needs them, the limits that a record must keep, the times that a new offer gets. Decides and stores nothing.
 */
import { type Card, parseCard } from '../commerce/card.ts';
import type { Version } from '../commerce/deal.ts';
import { sha256 } from '../crypto/hash.ts';
import type { Parties, RecordLimits } from '../exchange/contract.ts';
import { DEFAULT_SKEW } from '../exchange/frame.ts';
import { present } from '../lib/assert.ts';
import { equal, toHex } from '../lib/bytes.ts';
import { seconds } from '../lib/clock.ts';
import { FitError, PeerFault } from '../lib/errors.ts';
import type { Contact } from './contacts.ts';
import type { Exchange } from './exchange-record.ts';
import type { Parts } from './parts.ts';

export function roleOf(card: Card) {
  const role = card.roles.find((one) => one.role === 'arbiter');
  if (role === undefined)
    throw new FitError('bad-card', 'this contact is not an arbiter', { hint: 'fit contact list shows roles' });
  return role;
}

export function createDealParties({ store, contacts, identity, clock, config, peerText }: Parts) {
  const now = (): number => seconds(clock.now());

  /** Undefined for a transfer. */
  const chosenArbiter = async (
    version: Version,
  ): Promise<{ readonly card: Card; readonly contact: Contact | undefined } | undefined> => {
    if (version.arbiterCard === null) return undefined;
    const card = parseCard(await store.fetch('card', toHex(version.arbiterCard)));
    return { card, contact: contacts.of(toHex(card.certificate.hash)) };
  };

  /** Of a text that is exchanged. */
  const arbiterOf = async (version: Version) => present(await chosenArbiter(version), 'the arbiter of an exchange');

  const pinnedArbiter = (contact: Contact | undefined, id: string): Contact => {
    if (contact !== undefined) return contact;
    throw new FitError('arbiter-not-pinned', 'the arbiter named in the text is not among your contacts', {
      hint: `ask it for its card, or take the one that came with the offer: fit contact add --deal ${id} --as notary`,
    });
  };

  /** Times for a new version: the arbiter's help must outlast the offer by its margin, within what its terms allow. */
  const timesFor = (expires: number | undefined, role: ReturnType<typeof roleOf>, chainEnd: number) => {
    const at = now();
    const offerUntil = at + (expires ?? config.offer.expires);
    const margin = Math.max(config.exchange.margin, role.minMargin);
    const latest = Math.min(at + role.maxNotAfter, chainEnd, ...role.kem.slice(0, 1).map((key) => key.notAfter));
    const notAfter = Math.min(Math.max(at + config.exchange.not_after, offerUntil + margin + 86_400), latest);
    if (offerUntil >= notAfter - margin) {
      throw new FitError('usage', 'the offer would outlast the arbiter’s help', { hint: 'choose a shorter --expires' });
    }
    return { offerUntil, margin, notAfter };
  };

  /** How long the offer of a transfer stands: nobody's help has to outlast it. */
  const endFor = (expires: number | undefined, chainEnd: number): number => {
    const offerUntil = now() + (expires ?? config.offer.expires);
    if (offerUntil < chainEnd) return offerUntil;
    throw new FitError('usage', 'the offer would outlast a certificate', { hint: 'choose a shorter --expires' });
  };

  const warningsFor = (contact: Contact, arbiter: Contact | null): string[] => [
    ...(contact.verified
      ? []
      : [`${contact.name} is not verified: compare the words of fit contact show ${contact.name} with them`]),
    ...(arbiter === null || arbiter.verified ? [] : [`the arbiter ${arbiter.name} is not verified`]),
  ];

  /** Both sides and the arbiter, from our own card, the pinned card and the arbiter's card that came with the offer. */
  const partiesFor = (weAre: 'O' | 'R', contact: Contact, arbiter: Card, kemHash: Uint8Array | undefined): Parties => {
    const key = roleOf(arbiter).kem.find((one) => kemHash === undefined || equal(sha256(one.public), kemHash));
    if (key === undefined) throw new PeerFault('bad-record', 'another key of the arbiter’s');
    const self = identity.card();
    const own = { certificate: self.certificate, verifier: self.verifier };
    const peer = { certificate: contact.card.certificate, verifier: contact.card.verifier };
    const T = { certificate: arbiter.certificate, kem: key.public, terms: roleOf(arbiter).termsDigest };
    return weAre === 'O' ? { O: own, R: peer, T } : { O: peer, R: own, T };
  };

  const limitsFor = (arbiter: Card, parties: Parties, offeredAt: number): RecordLimits => {
    const role = roleOf(arbiter);
    const key = role.kem.find((one) => equal(one.public, parties.T.kem));
    return {
      now: now(),
      skew: DEFAULT_SKEW,
      minMargin: role.minMargin,
      maxWindow: role.maxNotAfter,
      kemNotAfter: key?.notAfter,
      offeredAt,
    };
  };

  const arbiterAddress = (arbiter: Card, contact: Contact | undefined): Exchange['arbiter'] => ({
    certificate: toHex(arbiter.certificate.hash),
    peer: peerText(contact?.card.peer ?? arbiter.peer),
    addresses: (contact?.card ?? arbiter).addresses,
  });

  return {
    chosenArbiter,
    arbiterOf,
    pinnedArbiter,
    timesFor,
    endFor,
    warningsFor,
    partiesFor,
    limitsFor,
    arbiterAddress,
  };
}
