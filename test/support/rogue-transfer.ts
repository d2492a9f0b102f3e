/**
 * A peer that plays its side of a transfer message by message, as a test says (rogue.ts): the sender, who chooses content, key and
 * statement; the receiver, who chooses what it answers to the key.
 */
import { completeDocument, parseDocument } from '../../src/commerce/document.ts';
import { decodeMessage as decodeNegotiation } from '../../src/commerce/messages.ts';
import { transferNoteOf } from '../../src/commerce/transfer-note.ts';
import { signP256 } from '../../src/crypto/ecdsa.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { assembleSignedData, signedAttributes } from '../../src/crypto/pki/cms.ts';
import { type BulkRequest, decodeBulkReply, encodeBulkRequest } from '../../src/daemon/bulk.ts';
import { type Ack, decodeAck, encodeAck } from '../../src/daemon/outbox.ts';
import { decodeMessage, encodeMessage } from '../../src/exchange/messages.ts';
import type { TransferTerms } from '../../src/exchange/terms.ts';
import {
  decodeTransferMessage,
  encodeTransferMessage,
  type TransferMessage,
} from '../../src/exchange/transfer-messages.ts';
import {
  type TransferRecord,
  type TransferStatement,
  transferId,
  transferText,
} from '../../src/exchange/transfer-record.ts';
import { present } from '../../src/lib/assert.ts';
import { utf8 } from '../../src/lib/bytes.ts';
import { newId, systemRng } from '../../src/lib/rng.ts';
import { nowSec, type Rogue } from './rogue.ts';
import { type ContentFields, createMailbox, makeContent, serveContent } from './rogue-delivery.ts';

/** Our signature over the statement that a record makes, whatever that record is. */
export function statementBy(rogue: Rogue, record: TransferRecord, which: TransferStatement, at = nowSec()): Uint8Array {
  const { certificate, signing } = rogue.keys;
  const digest = sha256(transferText(record, which));
  const attributes = signedAttributes({ digest, signingTime: at, certificateHash: certificate.hash });
  return assembleSignedData([{ certificate, signedAttributes: attributes, signature: signP256(signing, attributes) }]);
}

function createSide(rogue: Rogue) {
  const messages = createMailbox<TransferMessage | { readonly kind: 'ready'; readonly document: Uint8Array }>();
  rogue.link.handle('/fit/exchange/1', async (_, body) => {
    const transfer = decodeTransferMessage(body);
    if (transfer !== undefined) messages.put(transfer);
    else {
      const message = decodeMessage(body);
      if (message.kind === 'ready') messages.put(message);
    }
    return encodeAck(rogue.answer, nowSec());
  });
  const request = async (body: Uint8Array): Promise<Ack> => {
    const { peerTime: _, ...ack } = decodeAck(await rogue.request('/fit/exchange/1', body));
    return ack;
  };
  return { next: messages.next, request, say: (message: TransferMessage) => request(encodeTransferMessage(message)) };
}

/** A sender that has offered a transfer to its victim and serves its content. */
export async function transferAsSender(rogue: Rogue, terms: TransferTerms, fields: ContentFields = {}) {
  const content = makeContent(fields);
  const side = createSide(rogue);
  const { card, victimCard } = rogue;
  const deal = newId(systemRng);
  const document = completeDocument(utf8(transferNoteOf(content.terms, terms)), {
    deal,
    author: { name: card.name, certificate: card.certificate.hash },
    addressee: { name: victimCard.name, certificate: victimCard.certificate.hash },
    arbiter: null,
    mode: 'invisible',
    offerUntil: nowSec() + 86_400,
    notAfter: nowSec() + 86_400,
    margin: 0,
    delivery: { content: content.terms, check: 'none', transfer: terms },
  });
  serveContent(rogue, content);
  const { offerUntil } = parseDocument(document).terms;
  await rogue.say(deal, null, { kind: 'offer', version: 1, document, arbiterCard: null, offerUntil });
  const { root, bytes, chunks } = content.terms;
  const record: TransferRecord = {
    deal,
    document: sha256(document),
    sender: card.certificate.hash,
    receiver: victimCard.certificate.hash,
    content: { point: content.point, ciphertextRoot: content.sealedRoot, plaintextRoot: root, bytes, chunks },
  };
  const about = { deal, document: record.document, id: transferId(record) };
  return {
    ...side,
    rogue,
    deal,
    content,
    record,
    about,
    giveKey: (origin: Uint8Array | null, key: Uint8Array = content.x): Promise<Ack> =>
      side.say({ ...about, kind: 'transfer-key', key, origin }),
  };
}

/** A receiver that waits for what its victim sends. */
export function expectTransfer(rogue: Rogue) {
  const side = createSide(rogue);
  const documents = createMailbox<{ readonly kind: 'offer'; readonly document: Uint8Array }>();
  rogue.link.handle('/fit/message/1', async (_, body) => {
    // A greeting is none of its messages.
    const message = body.length > 100 ? decodeNegotiation(body) : undefined;
    if (message?.kind === 'negotiation' && message.body.kind === 'offer')
      documents.put({ kind: 'offer', document: message.body.document });
    return encodeAck({ kind: 'ok' }, nowSec());
  });
  const pull = async (request: BulkRequest) =>
    decodeBulkReply(await rogue.request('/fit/bulk/1', encodeBulkRequest(request)));
  return {
    ...side,
    pull,
    /** The next offer, with what its sender says of the ciphertext. */
    async offer() {
      const { document: bytes } = await documents.next('offer');
      const { digest, terms } = parseDocument(bytes);
      const opened = await pull({ kind: 'open', document: digest });
      if (opened.kind !== 'open') throw new Error('the sender does not name its ciphertext');
      const { root, bytes: size, chunks } = present(terms.content, 'content');
      const record: TransferRecord = {
        deal: terms.deal,
        document: digest,
        sender: rogue.victimCard.certificate.hash,
        receiver: rogue.card.certificate.hash,
        content: {
          point: opened.point,
          ciphertextRoot: opened.root,
          plaintextRoot: root,
          bytes: size,
          chunks,
        },
      };
      const about = { deal: terms.deal, document: digest, id: transferId(record) };
      return { deal: terms.deal, record, about };
    },
    ready: (deal: string, document: Uint8Array): Promise<Ack> =>
      side.request(encodeMessage({ kind: 'ready', deal, document })),
  };
}
