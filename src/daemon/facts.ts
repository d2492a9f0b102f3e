/**
 * What a signature would promise, as rules and people are shown it: read from the text and from the exchange record that
 * follows from it (PROTOCOL §3), never from what a client says about it.
 */
import type { Document } from '../commerce/document.ts';
import { sha256 } from '../crypto/hash.ts';
import { equal, toHex, utf8 } from '../lib/bytes.ts';
import type { RequestItem } from '../rpc/approvals.ts';
import type { Facts } from './policy/port.ts';

/** The items beside the two signatures on the text itself, seen from `us` (certificate hash). */
export function itemsOf(document: Document, us: Uint8Array): readonly RequestItem[] {
  const { items, parties } = document.terms;
  const own = parties.find((party) => equal(party.certificate, us))?.role;
  return items
    .filter((item) => item.kind !== 'signature')
    .map((item) => ({
      from: item.from === own ? 'you' : 'them',
      kind: item.kind,
      description: item.description,
      amount: item.amount ?? null,
    }));
}

/** A short text that a template of ours makes, which is signed for whoever reads it. */
export interface Statement {
  readonly digest: Uint8Array;
  readonly bytes: Uint8Array;
  /** Of its fixed part, hex. */
  readonly template: string;
}

/** Of bytes that are a statement: title and sentence are fixed, and a line each with what it is about follows. */
export function statementOf(bytes: Uint8Array): Statement {
  const text = Buffer.from(bytes).toString('utf8');
  const fixed = text.slice(0, text.lastIndexOf('\n\n') + 2);
  return { digest: sha256(bytes), bytes, template: toHex(sha256(utf8(fixed))) };
}

const NOBODY = { contact: null, certificate: '' } as const;

export function statementFacts({ template }: Statement, now: number): Facts {
  return {
    kind: 'statement',
    peer: { ...NOBODY, attested: false },
    arbiter: NOBODY,
    mode: 'invisible',
    transfer: false,
    template,
    items: [],
    attachments: 0,
    notAfter: now,
    now,
  };
}

/** Of the arbiter's certificate, hex; empty for a transfer. */
export function arbiterHashOf({ terms }: Document): string {
  return terms.arbiter === null ? '' : toHex(terms.arbiter.certificate);
}

/** SHA-256 of what follows the front matter, hex: the same for all texts made from one template. */
export function templateOf(document: Document): string {
  return toHex(sha256(utf8(document.body)));
}

export function factsOf(
  kind: Facts['kind'],
  document: Document,
  us: Uint8Array,
  names: { readonly peer: Facts['peer']; readonly arbiter: Facts['arbiter'] },
  now: number,
): Facts {
  const { terms } = document;
  return {
    kind,
    ...names,
    mode: terms.arbiter?.mode ?? 'invisible',
    transfer: terms.transfer !== null,
    template: templateOf(document),
    items: itemsOf(document, us),
    attachments: terms.attachments.length,
    notAfter: terms.notAfter,
    now,
  };
}
