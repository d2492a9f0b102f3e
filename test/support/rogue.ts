/**
 * A peer that keeps no rule: a real card and a real link in the test's own process, and whatever message the test makes up.
 * It answers every request of its victim as the test says.
 */
import type { KeyObject } from 'node:crypto';
import { makeBinding, transportStatement } from '../../src/commerce/binding.ts';
import { type Card, encodeCard, makeCard, parseCard } from '../../src/commerce/card.ts';
import { completeDocument, parseDocument } from '../../src/commerce/document.ts';
import { type Body, encodeMessage, transactionOf } from '../../src/commerce/messages.ts';
import { signControl } from '../../src/crypto/control.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { generateSigningKey } from '../../src/crypto/keys.ts';
import { type Certificate, parseCertificate, selfSigned } from '../../src/crypto/pki/certificate.ts';
import { peerIdOf, peerIdText, signTransport } from '../../src/crypto/transport.ts';
import { generateVerifierKey, proveVerifier } from '../../src/crypto/verifier-key.ts';
import { type Ack, decodeAck, encodeAck } from '../../src/daemon/outbox.ts';
import { present } from '../../src/lib/assert.ts';
import { toHex, utf8 } from '../../src/lib/bytes.ts';
import { systemRng } from '../../src/lib/rng.ts';
import { createLibp2pLink } from '../../src/p2p/libp2p-link.ts';
import type { Link, Protocol } from '../../src/p2p/link.ts';
import { CONTRACT, type Trader } from './traders.ts';

export const nowSec = (): number => Math.floor(Date.now() / 1000);

export interface OfferFields {
  readonly deal: string;
  readonly text?: string;
  readonly version?: number;
  readonly parent?: Uint8Array | null;
  readonly time?: number;
}

export interface Rogue {
  readonly link: Link;
  readonly card: Card;
  readonly cardText: string;
  /** What it signs with, and the cards that it has. */
  readonly keys: { readonly signing: KeyObject; readonly certificate: Certificate };
  readonly victimCard: Card;
  readonly arbiterCard: Card;
  /** What it says to whatever the victim sends. */
  answer: Ack;
  /** Of the victim, or of whose card it is. */
  request(protocol: Protocol, body: Uint8Array, of?: Card): Promise<Uint8Array>;
  /** A message on `/fit/message/1`, whole. */
  send(body: Uint8Array): Promise<Ack>;
  say(deal: string, parent: Uint8Array | null, body: Body, time?: number): Promise<Ack>;
  /** An offer of a good text; its transaction and document for what follows. */
  offer(fields: OfferFields): Promise<{ readonly ack: Ack; readonly id: Uint8Array; readonly document: Uint8Array }>;
  stop(): Promise<void>;
}

const YEAR = 365 * 86_400;

/** Pins itself at `victim` as `rogue` and knows the victim's and the arbiter's cards. `validSec`: of its certificate, from now on. */
export async function startRogue(victim: Trader, arbiter: Trader, name = 'rogue', validSec = YEAR): Promise<Rogue> {
  const signing = generateSigningKey();
  const validity = { notBefore: nowSec() - 3600, notAfter: nowSec() + validSec };
  const certificate = parseCertificate(await selfSigned({ key: signing, name, ...validity }));
  const seed = systemRng(32);
  const peer = peerIdOf(seed);
  const control = (purpose: string, ...items: Parameters<typeof signControl>[2][]) =>
    signControl(signing, purpose, ...items);
  const transport = (message: Uint8Array) => signTransport(seed, message);
  const hello = makeBinding({ certificate, peer, expiry: certificate.notAfter }, { control, transport });
  const link = createLibp2pLink({
    seed,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    binder: { hello: () => hello, accept: async (peer) => (peer === arbiterPeer ? arbiters : theirs) },
    limits: { outRate: 1e6, outBurst: 1e6 },
  });
  const cardOf = async (one: Trader) => parseCard((await (await one.agent()).card()).card);
  const [victimCard, arbiterCard] = await Promise.all([cardOf(victim), cardOf(arbiter)]);
  const theirs = toHex(victimCard.certificate.hash);
  const [arbiterPeer, arbiters] = [peerIdText(arbiterCard.peer), toHex(arbiterCard.certificate.hash)];
  await link.start();
  const verifier = generateVerifierKey();
  const card = makeCard(
    {
      serial: nowSec(),
      chain: [certificate.der],
      peer,
      addresses: link.addresses().map((one) => one.replace(/\/p2p\/.*$/, '')),
      verifier: verifier.public,
      proof: proveVerifier(verifier.secret, certificate.hash, peer, systemRng(32)),
      name,
      roles: [],
      transport: transport(transportStatement(certificate.hash, certificate.notAfter)),
    },
    control,
  );
  const cardText = encodeCard(card);
  await (await victim.agent()).contactAdd({ card: cardText, as: name });

  const rogue: Rogue = {
    link,
    card,
    cardText,
    keys: { signing, certificate },
    victimCard,
    arbiterCard,
    answer: { kind: 'ok' },
    request(protocol, body, of = victimCard) {
      const to = peerIdText(of.peer);
      link.learn(to, of.addresses);
      return link.request(to, toHex(of.certificate.hash), protocol, body, { timeoutMs: 10_000 });
    },
    async send(body) {
      const { peerTime: _, ...ack } = decodeAck(await rogue.request('/fit/message/1', body));
      return ack;
    },
    say: (deal, parent, body, time = nowSec()) =>
      rogue.send(encodeMessage({ kind: 'negotiation', deal, parent, time, body })),
    async offer({ deal, text = CONTRACT, version = 1, parent = null, time = nowSec() }) {
      const role = present(
        arbiterCard.roles.find((one) => one.role === 'arbiter'),
        'arbiter role',
      );
      const bytes = completeDocument(utf8(text), {
        deal,
        author: { name, certificate: certificate.hash },
        addressee: { name: victimCard.name, certificate: victimCard.certificate.hash },
        arbiter: { name: arbiterCard.name, certificate: arbiterCard.certificate.hash, terms: role.termsDigest },
        mode: 'invisible',
        offerUntil: nowSec() + 86_400,
        notAfter: nowSec() + 20 * 86_400,
        margin: 90_000,
      });
      const { offerUntil } = parseDocument(bytes).terms;
      const kind = version === 1 ? ('offer' as const) : ('counter-offer' as const);
      const body: Body = { kind, version, document: bytes, arbiterCard: arbiterCard.bytes, offerUntil };
      const ack = await rogue.say(deal, parent, body, time);
      const { id } = transactionOf({ kind: 'negotiation', deal, parent, time, body }, certificate.hash);
      return { ack, id, document: sha256(bytes) };
    },
    stop: () => link.stop(),
  };
  for (const protocol of ['/fit/message/1', '/fit/exchange/1'] as const)
    link.handle(protocol, async () => encodeAck(rogue.answer, nowSec()));
  return rogue;
}
