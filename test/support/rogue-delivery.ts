/**
 * A peer that plays its side of a delivery message by message, as a test says (rogue.ts): the sender, who chooses content, record,
 * promise and release; the receiver, who chooses what it promises and whether it ever gives its receipt.
 */

import { completeDocument, parseDocument } from '../../src/commerce/document.ts';
import { decodeMessage as decodeNegotiation, type Negotiation, transactionOf } from '../../src/commerce/messages.ts';
import { noteOf } from '../../src/commerce/note.ts';
import {
  CHUNK_BYTES,
  chunkKeys,
  chunksOf,
  contentLeaf,
  encodeWrongChunk,
  merklePath,
  merkleRoot,
  saltOf,
  sealChunk,
  sealedLeaf,
} from '../../src/crypto/content.ts';
import { signP256 } from '../../src/crypto/ecdsa.ts';
import { prove } from '../../src/crypto/escrow.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { generateKem } from '../../src/crypto/kem.ts';
import { publicPoint, scalarBytes, scalarFromWide } from '../../src/crypto/p256.ts';
import {
  type BulkReply,
  type BulkRequest,
  decodeBulkReply,
  decodeBulkRequest,
  encodeBulkReply,
  encodeBulkRequest,
} from '../../src/daemon/bulk.ts';
import { type Ack, decodeAck, encodeAck } from '../../src/daemon/outbox.ts';
import { openAnswer, type VerifiedAnswer, verifyAnswer } from '../../src/exchange/answers.ts';
import { joinWitness } from '../../src/exchange/completion.ts';
import { makeRecord, type Parties, template } from '../../src/exchange/contract.ts';
import { exchangeTerms } from '../../src/exchange/document.ts';
import type { Role } from '../../src/exchange/items.ts';
import { decodeMessage, type ExchangeMessage, encodeMessage } from '../../src/exchange/messages.ts';
import { encodeMisbehaviour } from '../../src/exchange/misbehaviour.ts';
import { encodePromise, encodeRelease, promiseJob } from '../../src/exchange/promise.ts';
import { type ExchangeRecord, xidOf } from '../../src/exchange/record.ts';
import { makeRequest, type Promises, type RequestKind, sealRequest } from '../../src/exchange/requests.ts';
import type { ContentTerms } from '../../src/exchange/terms.ts';
import { present } from '../../src/lib/assert.ts';
import { concat, utf8 } from '../../src/lib/bytes.ts';
import { newId, systemRng } from '../../src/lib/rng.ts';
import { nowSec, type Rogue } from './rogue.ts';
import { WINDOW } from './rogue-trio.ts';

/** Messages in the order in which they come; whoever asks waits for the next one of its kind. */
export function createMailbox<M extends { readonly kind: string }>() {
  const kept: M[] = [];
  const waiting: { readonly kind: string; readonly got: (message: M) => void }[] = [];
  return {
    put(message: M): void {
      const at = waiting.findIndex((one) => one.kind === message.kind);
      if (at === -1) kept.push(message);
      else waiting.splice(at, 1)[0]?.got(message);
    },
    next<K extends M['kind']>(kind: K): Promise<Extract<M, { readonly kind: K }>> {
      const at = kept.findIndex((one) => one.kind === kind);
      type Found = Extract<M, { readonly kind: K }>;
      if (at !== -1) return Promise.resolve(kept.splice(at, 1)[0] as Found);
      return new Promise((got) => waiting.push({ kind, got: got as (message: M) => void }));
    },
  };
}

const arbiterRole = ({ roles }: Rogue['card']) =>
  present(
    roles.find((one) => one.role === 'arbiter'),
    'arbiter role',
  );
const keysOf = (one: Rogue['card']) => ({ certificate: one.certificate, verifier: one.verifier });

function partiesOf({ card, victimCard, arbiterCard }: Rogue, weAre: Role): Parties {
  const role = arbiterRole(arbiterCard);
  const T = {
    certificate: arbiterCard.certificate,
    kem: present(role.kem[0], 'KEM key').public,
    terms: role.termsDigest,
  };
  const [own, theirs] = [keysOf(card), keysOf(victimCard)];
  return weAre === 'O' ? { O: own, R: theirs, T } : { O: theirs, R: own, T };
}

interface Made {
  readonly witness: Uint8Array;
  readonly promise: Uint8Array;
}

/** Our finished witness over a record, and the promise of it. `key`: of content that we give. */
function makePromise(rogue: Rogue, record: ExchangeRecord, role: Role, key: Uint8Array | null): Made {
  const parties = partiesOf(rogue, role);
  const signature = signP256(rogue.keys.signing, template(record, role, parties).signedAttributes);
  const witness = joinWitness(signature, key);
  const job = promiseJob(record, role, witness, parties);
  const proof = prove(job.label, job.witnesses, job.keys, systemRng(32));
  return { witness, promise: encodePromise({ noncePoint: job.noncePoint, proof }) };
}

/** Asks the arbiter in our role; its answer, verified. */
async function ask(
  rogue: Rogue,
  role: Role,
  record: ExchangeRecord,
  kind: RequestKind,
  enclosed: { readonly promises?: Promises; readonly proof?: Uint8Array } = {},
): Promise<VerifiedAnswer> {
  const parties = partiesOf(rogue, role);
  const { public: answerKey, secret } = generateKem();
  const certificates = { O: [parties.O.certificate.der], R: [parties.R.certificate.der] };
  const { promises = null, proof = null } = enclosed;
  const request = { kind, record, by: role, certificates, promises, proof, answerKey };
  const sealed = sealRequest(parties.T.kem, makeRequest(request, rogue.keys.signing));
  const reply = await rogue.request('/fit/arbiter/1', sealed, rogue.arbiterCard);
  return verifyAnswer(record, parties, openAnswer(reply, xidOf(record), secret));
}

/** What both sides of a delivery do in one way. */
function createSide(rogue: Rogue, role: Role) {
  const messages = createMailbox<ExchangeMessage>();
  rogue.link.handle('/fit/exchange/1', async (_, body) => {
    messages.put(decodeMessage(body));
    return encodeAck(rogue.answer, nowSec());
  });
  return {
    next: messages.next,
    async say(message: ExchangeMessage): Promise<Ack> {
      const { peerTime: _, ...ack } = decodeAck(await rogue.request('/fit/exchange/1', encodeMessage(message)));
      return ack;
    },
    ask: (record: ExchangeRecord, kind: RequestKind, enclosed?: Parameters<typeof ask>[4]) =>
      ask(rogue, role, record, kind, enclosed),
    release: (record: ExchangeRecord, witness: Uint8Array): ExchangeMessage => ({
      kind: 'release',
      role,
      xid: xidOf(record),
      release: encodeRelease(record, role, witness),
    }),
  };
}

export interface ContentFields {
  readonly bytes?: number;
  /** A chunk of the ciphertext that opens to something else than its leaf. */
  readonly wrongChunk?: number;
  /** What the note says of the file instead of its SHA-256. */
  readonly sha256?: Uint8Array;
  /** What the note says of its size. */
  readonly named?: number;
  /** Seconds, in place of the shortest window; 0 for a full check. */
  readonly window?: number;
}

/** Content of ours with everything that a sender makes of it. */
export function makeContent({ bytes = 150_000, wrongChunk, sha256: digest, named = bytes }: ContentFields) {
  const data = systemRng(bytes);
  const x = scalarBytes(scalarFromWide(systemRng(48)));
  const [point, seed] = [publicPoint(x), systemRng(32)];
  const keyOf = chunkKeys(x, point);
  const chunks = Array.from({ length: chunksOf(bytes) }, (_, index) => {
    const chunk = data.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES);
    const salt = saltOf(seed, index);
    const sealed = sealChunk(keyOf(index), salt, chunk);
    if (index === wrongChunk) sealed[40] = (sealed[40] ?? 0) ^ 1;
    return { leaf: contentLeaf(index, salt, chunk), sealed, sealedLeaf: sealedLeaf(index, sealed) };
  });
  const leaves = concat(...chunks.map((one) => one.leaf));
  const root = merkleRoot('content', leaves);
  const files = [{ name: 'plan.pdf', size: named, sha256: digest ?? sha256(data) }];
  return {
    data,
    x,
    point,
    leaves,
    sealed: chunks.map((one) => one.sealed),
    sealedRoot: merkleRoot('sealed', concat(...chunks.map((one) => one.sealedLeaf))),
    terms: { root, bytes: named, chunks: chunksOf(named), credential: null, files },
  };
}

export function serveContent(rogue: Rogue, content: ReturnType<typeof makeContent>): void {
  rogue.link.handle('/fit/bulk/1', async (_, body) => {
    const request = decodeBulkRequest(body);
    if (request.kind === 'open')
      return encodeBulkReply({ kind: 'open', point: content.point, root: content.sealedRoot });
    if (request.kind === 'lane') return encodeBulkReply({ kind: 'no', why: 'no-lane' });
    const { from, count } = request;
    const data =
      request.kind === 'leaves'
        ? content.leaves.subarray(from * 32, (from + count) * 32)
        : concat(...content.sealed.slice(from, from + count));
    return encodeBulkReply({ kind: 'data', data });
  });
}

/** A sender that has offered content to its victim and serves it. `aheadSec`: how much later it is for the victim. */
export async function offerAsSender(rogue: Rogue, fields: ContentFields = {}, aheadSec = 0) {
  const now = nowSec() + aheadSec;
  const { window = WINDOW } = fields;
  const content = makeContent(fields);
  const side = createSide(rogue, 'O');
  const { card, victimCard, arbiterCard } = rogue;
  const role = arbiterRole(arbiterCard);
  const deal = newId(systemRng);
  const bytes = completeDocument(utf8(noteOf(content.terms, window)), {
    deal,
    author: { name: card.name, certificate: card.certificate.hash },
    addressee: { name: victimCard.name, certificate: victimCard.certificate.hash },
    arbiter: { name: arbiterCard.name, certificate: arbiterCard.certificate.hash, terms: role.termsDigest },
    mode: 'invisible',
    offerUntil: now + 86_400,
    notAfter: now + 20 * 86_400,
    margin: 90_000,
    delivery: { content: content.terms, check: window === 0 ? 'full' : `window=${window}` },
  });
  serveContent(rogue, content);
  const { offerUntil } = parseDocument(bytes).terms;
  await rogue.say(
    deal,
    null,
    { kind: 'offer', version: 1, document: bytes, arbiterCard: arbiterCard.bytes, offerUntil },
    now,
  );
  return {
    ...side,
    deal,
    content,
    record(sealed: { readonly point?: Uint8Array; readonly ciphertextRoot?: Uint8Array } = {}): ExchangeRecord {
      return makeRecord(exchangeTerms(parseDocument(bytes)), partiesOf(rogue, 'O'), {
        nonce: systemRng(32),
        signingTime: nowSec() + aheadSec,
        sealed: { O: { point: content.point, ciphertextRoot: content.sealedRoot, ...sealed } },
      });
    },
    promise: (record: ExchangeRecord): Made => makePromise(rogue, record, 'O', content.x),
  };
}

/** Waits for a swap of its victim's and answers it with content of its own. `about`: what it says of the victim's. */
export function expectSwap(rogue: Rogue) {
  const side = createSide(rogue, 'R');
  const offers = createMailbox<{ readonly kind: 'offer'; readonly message: Negotiation }>();
  rogue.link.handle('/fit/message/1', async (_, body) => {
    const message = body.length > 100 ? decodeNegotiation(body) : undefined;
    if (message?.kind === 'negotiation' && message.body.kind === 'offer') offers.put({ kind: 'offer', message });
    return encodeAck({ kind: 'ok' }, nowSec());
  });
  return {
    ...side,
    async answer(about: (content: ContentTerms) => ContentTerms, fields: ContentFields = {}) {
      const { message } = await offers.next('offer');
      if (message.body.kind !== 'offer') throw new Error('an offer');
      const { terms } = parseDocument(message.body.document);
      const content = makeContent(fields);
      serveContent(rogue, content);
      const { card, victimCard, arbiterCard } = rogue;
      const swap = { other: about(present(terms.content, 'content of the victim')) };
      const document = completeDocument(utf8(noteOf(content.terms, WINDOW, undefined, swap)), {
        deal: terms.deal,
        author: { name: card.name, certificate: card.certificate.hash },
        addressee: { name: victimCard.name, certificate: victimCard.certificate.hash },
        arbiter: {
          name: arbiterCard.name,
          certificate: arbiterCard.certificate.hash,
          terms: arbiterRole(arbiterCard).termsDigest,
        },
        mode: 'invisible',
        offerUntil: nowSec() + 86_400,
        notAfter: nowSec() + 20 * 86_400,
        margin: 90_000,
        answers: terms,
        delivery: { content: content.terms, check: `window=${WINDOW}`, swap },
      });
      const { offerUntil } = parseDocument(document).terms;
      const offered = transactionOf(message, victimCard.certificate.hash).id;
      await rogue.say(terms.deal, offered, {
        kind: 'counter-offer',
        version: 2,
        document,
        arbiterCard: arbiterCard.bytes,
        offerUntil,
      });
      return { deal: terms.deal, digest: sha256(document), content };
    },
    parties: partiesOf(rogue, 'R'),
    promise: (record: ExchangeRecord, key: Uint8Array): Made => makePromise(rogue, record, 'R', key),
  };
}

/** Whoever is asked for content gives this, whatever its note said. */
export function serveAnything(rogue: Rogue, fields: ContentFields): void {
  serveContent(rogue, makeContent(fields));
}

/** A swap that a peer offers: nothing but its note, whatever that says of the content. The deal. */
export async function claimSwap(rogue: Rogue, content: ContentTerms, window: number): Promise<string> {
  const { card, victimCard, arbiterCard } = rogue;
  const deal = newId(systemRng);
  const swap = { want: 'a plan' };
  const document = completeDocument(utf8(noteOf(content, window, undefined, swap)), {
    deal,
    author: { name: card.name, certificate: card.certificate.hash },
    addressee: { name: victimCard.name, certificate: victimCard.certificate.hash },
    arbiter: {
      name: arbiterCard.name,
      certificate: arbiterCard.certificate.hash,
      terms: arbiterRole(arbiterCard).termsDigest,
    },
    mode: 'invisible',
    offerUntil: nowSec() + 86_400,
    notAfter: nowSec() + 20 * 86_400,
    margin: 90_000,
    delivery: { content, check: `window=${window}`, swap },
  });
  const { offerUntil } = parseDocument(document).terms;
  await rogue.say(deal, null, {
    kind: 'offer',
    version: 1,
    document,
    arbiterCard: arbiterCard.bytes,
    offerUntil,
  });
  return deal;
}

/** A receiver that waits for what its victim delivers. */
export function expectAsReceiver(rogue: Rogue) {
  const side = createSide(rogue, 'R');
  const documents = createMailbox<{ readonly kind: 'offer'; readonly document: Uint8Array }>();
  rogue.link.handle('/fit/message/1', async (_, body) => {
    // A greeting is none of its messages.
    if (body.length > 100) {
      const message = decodeNegotiation(body);
      if (message.kind === 'negotiation' && message.body.kind === 'offer')
        documents.put({ kind: 'offer', document: message.body.document });
    }
    return encodeAck({ kind: 'ok' }, nowSec());
  });
  const pull = async (request: BulkRequest): Promise<BulkReply> =>
    decodeBulkReply(await rogue.request('/fit/bulk/1', encodeBulkRequest(request)));
  const data = async (request: BulkRequest): Promise<Uint8Array> => {
    const reply = await pull(request);
    if (reply.kind !== 'data') throw new Error(`the sender does not give its ${request.kind}`);
    return reply.data;
  };
  return {
    ...side,
    /** Message 0 for the next offer; message 1 with its X. */
    async begin() {
      const { document } = await documents.next('offer');
      const digest = sha256(document);
      const { deal } = parseDocument(document).terms;
      await side.say({ kind: 'ready', deal, document: digest });
      const message = await side.next('promise');
      if (message.role !== 'O') throw new Error('message 1 is the sender’s');
      return { deal, digest, record: message.record, promise: message.promise };
    },
    promise: (record: ExchangeRecord): Made => makePromise(rogue, record, 'R', null),
    /** The whole ciphertext, as the sender serves it. */
    async ciphertext(digest: Uint8Array, chunks: number): Promise<Uint8Array> {
      const sealed: Uint8Array[] = [];
      for (let from = 0; from < chunks; from += 1)
        sealed.push(await data({ kind: 'chunks', document: digest, from, count: 1 }));
      return concat(...sealed);
    },
    /** Complaints about the first chunk, which is right: as it is, and with the leaf of another one. */
    async falseProofs(digest: Uint8Array, chunks: number, witness: Uint8Array): Promise<readonly Uint8Array[]> {
      const leaves = await data({ kind: 'leaves', document: digest, from: 0, count: chunks });
      const sealed: Uint8Array[] = [];
      for (let from = 0; from < chunks; from += 1)
        sealed.push(await data({ kind: 'chunks', document: digest, from, count: 1 }));
      const sealedLeaves = concat(...sealed.map((one, index) => sealedLeaf(index, one)));
      return [0, 1].map((leaf) =>
        encodeMisbehaviour(
          witness,
          encodeWrongChunk({
            index: 0,
            sealed: present(sealed[0], 'a chunk'),
            sealedPath: merklePath('sealed', sealedLeaves, 0),
            leaf: leaves.subarray(leaf * 32, (leaf + 1) * 32),
            leafPath: merklePath('content', leaves, leaf),
          }),
        ),
      );
    },
  };
}
