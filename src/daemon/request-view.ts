/** How a request for a signature looks to clients: the facts of the text it is about, read again each time. */
import { parseCard } from '../commerce/card.ts';
import { parseDocument } from '../commerce/document.ts';
import { digestWords } from '../commerce/words.ts';
import { fairness } from '../exchange/explain.ts';
import { fairnessOfTransfer } from '../exchange/explain-transfer.ts';
import { windowOf } from '../exchange/items.ts';
import { arbiterIn, courseOfTerms } from '../exchange/terms.ts';
import { present } from '../lib/assert.ts';
import { fromHex } from '../lib/bytes.ts';
import { isoTime } from '../lib/clock.ts';
import { safeText } from '../lib/text.ts';
import type { ApprovalRequest } from '../rpc/approvals.ts';
import type { Consent } from './consents.ts';
import { itemsOf } from './facts.ts';
import type { Parts } from './parts.ts';

const MAX_NAME = 64;

/** The end of the arbiter's help as sentences have it. */
const minutes = (sec: number): string => isoTime(sec).slice(0, 16).replace('T', ' ').concat(' UTC');

const NOBODY = { contact: null, name: '', fingerprint: '' } as const;

const decisionOf = ({ decision }: Consent): ApprovalRequest['decision'] =>
  decision === null ? null : { ...decision, at: isoTime(decision.at) };

function statementView(consent: Consent, bytes: Uint8Array): ApprovalRequest {
  const [title = ''] = Buffer.from(bytes).toString('utf8').split('\n', 1);
  return {
    id: consent.id,
    kind: 'statement',
    deal: '',
    title,
    digest: consent.document,
    words: digestWords(fromHex(consent.document)),
    peer: { ...NOBODY, verified: false },
    arbiter: { ...NOBODY, mode: 'invisible' },
    record: { role: 'originator', notAfter: isoTime(consent.expires), margin: 0, check: 'none' },
    items: [],
    fairness: 'You get nothing for it: whoever has the signature can show it to everybody.',
    asker: consent.asker,
    asked: isoTime(consent.asked),
    expires: isoTime(consent.expires),
    state: consent.status,
    why: consent.why,
    held: consent.held,
    decision: decisionOf(consent),
  };
}

export function createRequestView(parts: Parts): (consent: Consent) => Promise<ApprovalRequest> {
  const { store, contacts, identity } = parts;

  return async (consent) => {
    if (consent.kind === 'statement') return statementView(consent, await store.fetch('document', consent.document));
    const document = parseDocument(await store.fetch('document', consent.document));
    const { terms } = document;
    const contact = contacts.of(consent.peer);
    const arbiter = contacts.of(consent.arbiter);
    const card = consent.arbiterCard === '' ? undefined : parseCard(await store.fetch('card', consent.arbiterCard));
    const course = courseOfTerms(terms);
    // Who accepts a contract begins; in a delivery it is the sender, whose note was accepted.
    const role =
      (consent.kind === 'acceptance') === (course !== 'delivery' && course !== 'transfer') ? 'originator' : 'responder';
    // The other party's name as its own text or card gives it.
    const theirs = terms.parties[consent.kind === 'acceptance' ? 0 : 1].name;
    const arbiterName = card?.name ?? terms.arbiter?.name ?? '';
    const circumstances = {
      them: contact?.name ?? safeText(theirs, { maxLength: MAX_NAME }),
      arbiter: arbiter?.name ?? safeText(arbiterName, { maxLength: MAX_NAME }),
      verified: contact?.verified ?? false,
      until: minutes(terms.notAfter),
      deadline: minutes(terms.notAfter - terms.margin),
      margin: terms.margin,
      window: windowOf(terms.check),
      arbiterSilent: 'no' as const,
    };
    return {
      id: consent.id,
      kind: consent.kind,
      deal: consent.deal,
      title: terms.title,
      digest: consent.document,
      words: digestWords(fromHex(consent.document)),
      peer: {
        contact: contact?.name ?? null,
        name: contact?.card.name ?? theirs,
        fingerprint: consent.peer,
        verified: contact?.verified ?? false,
      },
      arbiter: {
        contact: arbiter?.name ?? null,
        name: arbiterName,
        fingerprint: consent.arbiter,
        mode: terms.arbiter?.mode ?? 'invisible',
      },
      record: { role, notAfter: isoTime(terms.notAfter), margin: terms.margin, check: terms.check },
      items: itemsOf(document, identity.card().certificate.hash),
      fairness:
        course === 'transfer'
          ? fairnessOfTransfer(
              consent.kind === 'offer' ? 'sender' : 'receiver',
              present(terms.transfer, 'the attributes of a transfer'),
              circumstances.them,
            )
          : fairness(role, course, arbiterIn(terms).mode, circumstances),
      asker: consent.asker,
      asked: isoTime(consent.asked),
      expires: isoTime(consent.expires),
      state: consent.status,
      why: consent.why,
      held: consent.held,
      decision: decisionOf(consent),
    };
  };
}
