/**
 * Who this trader is to others: its card, its binding to the transport key, and what it is for others (as arbiter, its keys and terms).
 * Guarantees: a card changes only together with what it says, and then under a higher serial; terms once published stay
 * known, so that exchanges that name them are still served.
 */
import type { Archive } from '../archive/sealed-store.ts';
import type { StoreOp } from '../archive/store.ts';
import { type ControlSigner, transportStatement } from '../commerce/binding.ts';
import { type Card, type CardFields, makeCard, parseCard, roleItem } from '../commerce/card.ts';
import { signControl } from '../crypto/control.ts';
import { peerIdOf, peerIdText, signTransport } from '../crypto/transport.ts';
import { proveVerifier } from '../crypto/verifier-key.ts';
import { DEFAULT_SKEW } from '../exchange/frame.ts';
import type { ArbiterSelf } from '../exchange/requests.ts';
import { present } from '../lib/assert.ts';
import { equal } from '../lib/bytes.ts';
import { decode, encode, read } from '../lib/cbor.ts';
import { type Clock, seconds } from '../lib/clock.ts';
import { FitError } from '../lib/errors.ts';
import type { Rng } from '../lib/rng.ts';
import type { Config } from './config.ts';
import { type Keyring, timestampKeyOf } from './keyring.ts';

/** An arbiter that wrote no terms of its own publishes these. */
export const DEFAULT_TERMS = `Terms of an arbiter of signings

I complete the signing of a contract if one of its two signers asks me in time and
both have promised to sign it, and hand both of them both signatures. I refuse it if
the one who spoke first asks me to stop before that. I answer the same to both, and
never change an answer. I see a contract's parties and its digest, not its text.

I keep my answers for the time that my card names. I take no fee and give no warranty.
`;

export interface IdentityPorts {
  readonly archive: Archive;
  readonly keyring: Keyring;
  readonly config: Config;
  readonly clock: Clock;
  readonly rng: Rng;
}

export interface Identity {
  readonly peer: Uint8Array;
  readonly peerText: string;
  load(): Promise<void>;
  /** Makes a new card if what it says has changed. Needs an unlocked keyring. `tell`: what to write with it, and then do. */
  refresh(
    addresses: readonly string[],
    tell?: (card: Uint8Array) => { readonly ops: readonly StoreOp[]; readonly posted: () => void },
  ): Promise<void>;
  /** Throws `FitError('locked')` before the first unlock. */
  card(): Card;
  /** What files for this trader are encrypted to; null before there is a card that says so. */
  recipient(): string | null;
  self(): ArbiterSelf;
}

interface Terms {
  readonly hash: Uint8Array;
  readonly minMargin: number;
  readonly maxWindow: number;
}

/** Multiaddrs without the PeerId, which the card names once. */
const bare = (address: string): string => address.replace(/\/p2p\/[^/]+$/, '');

export function createIdentity(ports: IdentityPorts): Identity {
  const { archive, keyring, config } = ports;
  const peer = peerIdOf(keyring.transportSeed);
  let card: Card | undefined;
  let terms: readonly Terms[] = [];

  const arbiterRole = (): CardFields['roles'][number] => {
    const notAfter = present(keyring.chain[0], 'certificate').notAfter;
    const { arbiter } = config;
    return {
      role: 'arbiter',
      kem: keyring
        .secrets()
        .kem.slice(0, 4)
        .map((key) => ({ public: key.public, notAfter })),
      terms: arbiter.terms === '' ? DEFAULT_TERMS : arbiter.terms,
      maxNotAfter: arbiter.max_not_after,
      minMargin: arbiter.min_margin,
      retention: arbiter.retention,
    };
  };

  const roles = (): CardFields['roles'] => [
    ...(config.roles.includes('arbiter') ? [arbiterRole()] : []),
    ...(config.roles.includes('timestamp')
      ? [{ role: 'timestamp', certificate: timestampKeyOf(keyring).certificate.der } as const]
      : []),
  ];

  /** What the present card should say, apart from serial and signatures. */
  const says = (
    fields: Pick<Card, 'addresses' | 'name' | 'verifier' | 'recipient'> & {
      readonly certificate: Uint8Array;
      readonly roles: CardFields['roles'];
    },
  ): Uint8Array =>
    encode([
      fields.certificate,
      fields.addresses,
      fields.name,
      fields.verifier,
      fields.roles.map(roleItem),
      fields.recipient,
    ]);

  return {
    peer,
    peerText: peerIdText(peer),
    async load() {
      const stored = await archive.get('meta', 'card');
      if (stored !== undefined) card = parseCard(stored);
      const known = await archive.get('meta', 'terms');
      if (known === undefined) return;
      terms = read.list(decode(known, 65_536), 256, 'terms').map((one) => {
        const [hash, minMargin, maxWindow] = read.array(one, 3, 'terms');
        return {
          hash: read.bytes(hash, 32, 'hash'),
          minMargin: read.uint(minMargin, 'margin'),
          maxWindow: read.uint(maxWindow, 'window'),
        };
      });
    },
    async refresh(listening, tell) {
      const secrets = keyring.secrets();
      const certificate = present(keyring.chain[0], 'certificate');
      const addresses = listening.map(bare).slice(0, 8);
      const wanted = {
        certificate: certificate.hash,
        addresses,
        name: config.name,
        verifier: secrets.verifier.public,
        roles: roles(),
        recipient: secrets.age.recipient,
      };
      if (card !== undefined && equal(says(wanted), says({ ...card, certificate: card.certificate.hash }))) return;
      const now = seconds(ports.clock.now());
      const sign: ControlSigner = (purpose, ...items) => signControl(secrets.signing, purpose, ...items);
      const fresh = makeCard(
        {
          serial: Math.max((card?.serial ?? 0) + 1, now),
          chain: keyring.chain.map((one) => one.der),
          peer,
          addresses,
          verifier: secrets.verifier.public,
          proof: proveVerifier(secrets.verifier.secret, certificate.hash, peer, ports.rng(32)),
          name: config.name,
          roles: wanted.roles,
          recipient: wanted.recipient,
          transport: signTransport(keyring.transportSeed, transportStatement(certificate.hash, certificate.notAfter)),
        },
        sign,
      );
      for (const role of fresh.roles) {
        if (role.role !== 'arbiter' || terms.some((one) => equal(one.hash, role.termsDigest))) continue;
        terms = [{ hash: role.termsDigest, minMargin: role.minMargin, maxWindow: role.maxNotAfter }, ...terms].slice(
          0,
          256,
        );
      }
      const told = tell?.(fresh.bytes);
      await archive.batch([
        { kind: 'put', space: 'meta', key: 'card', value: fresh.bytes },
        {
          kind: 'put',
          space: 'meta',
          key: 'terms',
          value: encode(terms.map((one) => [one.hash, one.minMargin, one.maxWindow])),
        },
        ...(told?.ops ?? []),
      ]);
      card = fresh;
      told?.posted();
    },
    card() {
      if (card === undefined)
        throw new FitError('locked', 'the card is made at the first unlock', { hint: 'fit unlock' });
      return card;
    },
    recipient: () => card?.recipient ?? null,
    self() {
      const certificate = present(keyring.chain[0], 'certificate');
      return {
        certificate,
        kems: keyring.secrets().kem.map((key) => ({ public: key.public, notAfter: certificate.notAfter })),
        terms,
        skew: DEFAULT_SKEW,
      };
    },
  };
}
