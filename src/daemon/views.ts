/** How deals look from outside: the results that clients get. Reads only. */

import { encodeCard } from '../commerce/card.ts';
import { currentVersion, type Deal, expiryOf, openExchange, turnOf } from '../commerce/deal.ts';
import { parseDocument } from '../commerce/document.ts';
import { logEntryOf } from '../commerce/transaction.ts';
import type { DeliveryInput } from '../evidence/delivery.ts';
import type { SwapInput } from '../evidence/swap.ts';
import type { TransferInput } from '../evidence/transfer.ts';
import { decodeDelivery, signatureIn } from '../exchange/completion.ts';
import { explain } from '../exchange/explain.ts';
import { windowOf } from '../exchange/items.ts';
import type { LogEntry } from '../exchange/log.ts';
import type { PartyPhase } from '../exchange/party.ts';
import { arbiterIn, courseOfTerms } from '../exchange/terms.ts';
import { present } from '../lib/assert.ts';
import { equal, toHex } from '../lib/bytes.ts';
import { isoTime, seconds } from '../lib/clock.ts';
import { FitError } from '../lib/errors.ts';
import { safeText } from '../lib/text.ts';
import type { DealResult, DealSummary, DeliveryResult, ExplainResult } from '../rpc/agent.ts';
import type { Evidence } from './deal-store.ts';
import type { Deals } from './deals.ts';
import type { Parts } from './parts.ts';
import { reasonOf } from './reason.ts';
import { evidenceOfTransfer, explainTransferOf, transferOf } from './transfer-views.ts';

export type Material =
  | ({ readonly kind: 'transfer' } & TransferInput)
  | ({ readonly kind: 'delivery' } & DeliveryInput)
  | ({ readonly kind: 'swap' } & SwapInput)
  | {
      readonly kind: 'contract';
      readonly document: Uint8Array;
      readonly proof: Evidence;
      readonly certificates: readonly Uint8Array[];
      readonly log: readonly LogEntry[];
      readonly answer: Awaited<ReturnType<Parts['exchanges']['answerTo']>>;
    };

/** What lists show of a text. */
type Head = Pick<DealSummary, 'title' | 'kind' | 'references'>;

const HEADS_KEPT = 20_000;

/** Phases in which the arbiter is asked. */
const ASKS: ReadonlySet<PartyPhase> = new Set(['aborting', 'resolving', 'complaining', 'waiving']);

export type Views = ReturnType<typeof createViews>;

export function createViews(parts: Parts, deals: Deals) {
  const { store, contacts, exchanges, clock } = parts;
  /** By document digest: lists need nothing else of a text. */
  const heads = new Map<string, Head>();

  const documentOf = async (digest: Uint8Array) => parseDocument(await store.fetch('document', toHex(digest)));

  const headOf = async (digest: Uint8Array): Promise<Head> => {
    const key = toHex(digest);
    const known = heads.get(key);
    if (known !== undefined) return known;
    const { terms } = await documentOf(digest);
    if (heads.size >= HEADS_KEPT) heads.clear();
    const { title, references } = terms;
    const head: Head = { title, kind: courseOfTerms(terms), references: references.map(toHex) };
    heads.set(key, head);
    return head;
  };

  const live = (deal: Deal) => {
    const open = openExchange(deal);
    return open === undefined ? undefined : exchanges.get(toHex(open.xid));
  };

  const waitsFor = (deal: Deal): DealSummary['waitsFor'] => {
    const phase = live(deal)?.machine.phase;
    if (phase !== undefined && ASKS.has(phase)) return 'arbiter';
    const turn = turnOf(deal);
    if (turn !== 'us') return turn;
    // Content that we accepted: it is fetched, and its sender begins.
    const accepted = parts.consents.of(deal.id).some((one) => one.kind === 'acceptance' && one.status === 'granted');
    return accepted ? 'them' : 'you';
  };

  const viaOf = (deal: Deal): 'peer' | 'arbiter' | null => {
    const of = (kinds: readonly string[]) => deal.transactions.filter(({ payload }) => kinds.includes(payload.kind));
    if (of(['contract', 'completion']).length === 0) return null;
    // Whoever opened content completed it itself; its key came from somebody.
    return of(['contract', 'completion', 'key']).every(({ by }) => equal(by, deal.them) || equal(by, deal.us))
      ? 'peer'
      : 'arbiter';
  };

  const summary = async (deal: Deal): Promise<DealSummary> => {
    const version = present(currentVersion(deal), 'version');
    const contact = contacts.of(toHex(deal.them));
    const exchange = live(deal);
    const until = deal.state === 'offered' ? version.offerUntil : exchange?.record.notAfter;
    return {
      deal: deal.id,
      ...(await headOf(version.document)),
      state: deal.state,
      with: contact?.name ?? toHex(deal.them).slice(0, 16),
      verified: contact?.verified ?? false,
      version: version.number,
      document: toHex(version.document),
      offeredBy: equal(version.by, deal.us) ? 'you' : 'them',
      waitsFor: waitsFor(deal),
      until: until === undefined ? null : isoTime(until),
      updated: isoTime(present(deal.transactions.at(-1), 'transaction').time),
    };
  };

  const side = (deal: Deal, by: Uint8Array): 'you' | 'them' | 'arbiter' =>
    equal(by, deal.us) ? 'you' : equal(by, deal.them) ? 'them' : 'arbiter';

  return {
    summary,
    viaOf,

    async full(deal: Deal): Promise<DealResult> {
      const version = present(currentVersion(deal), 'version');
      const chosen = await deals.chosenArbiter(version);
      const document = await documentOf(version.document);
      const exchange = live(deal);
      return {
        ...(await summary(deal)),
        arbiter:
          chosen === undefined
            ? null
            : {
                contact: chosen.contact?.name ?? null,
                name: chosen.card.name,
                fingerprint: toHex(chosen.card.certificate.hash),
                mode: arbiterIn(document.terms).mode,
                card: encodeCard(chosen.card),
              },
        check: document.terms.check,
        transfer: document.terms.transfer,
        versions: deal.versions.map((one) => ({
          version: one.number,
          document: toHex(one.document),
          by: equal(one.by, deal.us) ? ('you' as const) : ('them' as const),
          at: isoTime(one.time),
        })),
        transactions: deal.transactions.map(({ id, parent, payload, by, time }) => ({
          id: toHex(id),
          parent: parent === null ? null : toHex(parent),
          kind: payload.kind,
          by: side(deal, by),
          at: isoTime(time),
          text: 'text' in payload && payload.text !== '' ? payload.text : null,
        })),
        exchange:
          exchange === undefined
            ? null
            : {
                xid: exchange.xid,
                role: exchange.role,
                phase: exchange.machine.phase,
                notAfter: isoTime(exchange.record.notAfter),
              },
        via: viaOf(deal),
        reason: reasonOf(deal, document.terms),
      };
    },

    async explain(deal: Deal): Promise<ExplainResult> {
      const version = present(currentVersion(deal), 'version');
      const { terms } = await documentOf(version.document);
      const contact = contacts.of(toHex(deal.them));
      const name = (given: string | undefined, own: string): string => given ?? safeText(own, { maxLength: 64 });
      const who = {
        them: name(contact?.name, contact?.card.name ?? 'the other side'),
        verified: contact?.verified ?? false,
      };
      const course = courseOfTerms(terms);
      if (course === 'transfer') {
        const found = await transferOf(deal, deals.transfers.find);
        const attributes = present(terms.transfer, 'attributes of a transfer');
        return { deal: deal.id, state: deal.state, ...explainTransferOf(deal, found, attributes, who) };
      }
      const { card, contact: arbiter } = await deals.arbiterOf(version);
      const exchange = live(deal);
      const last = deal.exchanges.at(-1);
      const accepts = last === undefined ? !equal(version.by, deal.us) : equal(last.acceptor, deal.us);
      const originator = accepts === (course !== 'delivery');
      // The latest exchange alone: an earlier one that was void says nothing of it.
      const wrong = deal.transactions.some(
        ({ payload }) =>
          (payload.kind === 'complaint' || payload.kind === 'void') &&
          last !== undefined &&
          equal(payload.xid, last.xid),
      );
      const phase: PartyPhase | 'offered' =
        exchange?.machine.phase ??
        (deal.state === 'offered'
          ? 'offered'
          : deal.state === 'contracted' || deal.state === 'completed'
            ? 'contracted'
            : deal.state === 'aborted'
              ? deal.state
              : 'dropped');
      // The key is here and the content is not, or came never again.
      const lost =
        course !== 'delivery' || originator
          ? false
          : phase === 'contracted'
            ? !deal.transactions.some(({ payload, by }) => payload.kind === 'completion' && equal(by, deal.us))
            : (phase === 'opening' || phase === 'waiving') && (await parts.deliveries.isLost(toHex(version.document)));
      const trouble = exchange === undefined ? null : exchanges.arbiterTrouble(exchange.xid);
      const minutes = (sec: number): string => isoTime(sec).slice(0, 16).replace('T', ' ').concat(' UTC');
      const explanation = explain(
        {
          role: originator ? 'originator' : 'responder',
          course,
          phase,
          holdsPromise: exchange === undefined ? phase === 'contracted' : exchange.machine.peerPromise !== null,
          via: viaOf(deal),
          mode: arbiterIn(terms).mode,
          wrong,
          lost,
        },
        {
          ...who,
          arbiter: name(arbiter?.name, card.name),
          until: minutes(terms.notAfter),
          deadline: minutes(terms.notAfter - terms.margin),
          margin: terms.margin,
          window: windowOf(terms.check),
          arbiterSilent: trouble === null ? 'no' : trouble === 'unknown' ? 'gone' : 'yet',
        },
      );
      return { deal: deal.id, state: deal.state, ...explanation };
    },

    async delivery(deal: Deal): Promise<DeliveryResult> {
      const version = present(currentVersion(deal), 'version');
      const digest = toHex(version.document);
      const { content } = (await documentOf(version.document)).terms;
      if (content === null)
        throw new FitError('wrong-state', 'this deal delivers nothing by itself', { hint: `fit deal show ${deal.id}` });
      const found = await parts.deliveries.view(digest);
      if (found !== undefined) return { deal: deal.id, ...found };
      return {
        deal: deal.id,
        direction: equal(version.by, deal.us) ? 'out' : 'in',
        phase: 'waiting',
        done: 0,
        total: content.bytes,
        trouble: null,
        files: content.files.map(({ name, size }) => ({ name, size, path: null })),
        salts: null,
      };
    },

    /** Still `offered` although time is up, until the next sweep. */
    isDue: (deal: Deal): boolean => expiryOf(deal, seconds(clock.now())) !== undefined,

    /** What the evidence of a contract is made of, or of a delivery (also of one that was proven wrong to us); else undefined. */
    async export(deal: Deal): Promise<Material | undefined> {
      const chains = [parts.identity.card(), contacts.of(toHex(deal.them))?.card].flatMap(
        (one) => one?.chain.map((c) => c.der) ?? [],
      );
      const log = deal.transactions.map(logEntryOf);
      const transfer = await transferOf(deal, deals.transfers.find);
      if (transfer !== undefined) {
        const note = await store.fetch('document', toHex(transfer.record.document));
        return evidenceOfTransfer(transfer, note, chains, log);
      }
      const open = deal.exchanges.find((one) => one.outcome === 'contracted');
      const last = open ?? deal.exchanges.at(-1);
      if (last === undefined) return undefined;
      const finished = await exchanges.finished(toHex(last.xid));
      const [machine, note] = [finished?.machine, await store.fetch('document', toHex(last.document))];
      if (finished !== undefined && machine?.course === 'delivery') {
        if (machine.contract === null) return undefined;
        const { O, R, T } = finished.parties;
        const { O: origin, R: receipt } = decodeDelivery(machine.contract);
        // A receipt without the arbiter's word that it is void could be shown as if it were good.
        const word = machine.voided ? await exchanges.answerTo(finished.xid, 'void') : undefined;
        if (machine.phase !== 'contracted' && word === undefined) return undefined;
        return {
          kind: 'delivery',
          note,
          record: finished.record,
          origin: signatureIn(origin),
          receipt: word === undefined ? signatureIn(receipt) : null,
          certificates: [...[O, R, T].map((one) => one.certificate.der), ...chains],
          log,
          ...(word === undefined ? {} : { answer: word.bytes }),
        };
      }
      if (finished !== undefined && machine?.course === 'swap') {
        if (machine.contract === null) return undefined;
        const { record, role } = finished;
        const { O, R, T } = finished.parties;
        const witnesses = decodeDelivery(machine.contract);
        const [one, two] = [signatureIn(witnesses.O), signatureIn(witnesses.R)];
        const certificates = [...[O, R, T].map((party) => party.certificate.der), ...chains];
        const of = { kind: 'swap', note, record, certificates, log } as const;
        const word = machine.voided ? await exchanges.answerTo(finished.xid, 'void') : undefined;
        if (word === undefined)
          return machine.phase === 'contracted' ? { ...of, origins: { O: one, R: two } } : undefined;
        // Only who complained has the proof: to the other side a void swap leaves nothing.
        if (machine.proof === null) return undefined;
        const origins = role === 'originator' ? { O: null, R: two } : { O: one, R: null };
        return { ...of, origins, answer: word.bytes, proof: machine.proof };
      }
      if (open === undefined) return undefined;
      const proof = present(await store.evidence(toHex(open.document)), 'evidence of a contract');
      const answer = await exchanges.answerTo(proof.xid);
      return { kind: 'contract', document: note, proof, certificates: [...proof.certificates, ...chains], log, answer };
    },
  };
}
