/**
 * The document item: the exact bytes that are shown and signed (DESIGN §6). Front matter for the machine, a body for the
 * reader, one digest over the whole file.
 *
 * Guarantees: a `Document` is lint-clean, its front matter is the one text of its terms, the terms are complete and
 * consistent. What a machine does with them (deadlines against the clock, arbiter's limits) is for the caller to check.
 */
import { chunksOf, MAX_CONTENT_BYTES } from '../crypto/content.ts';
import { sha256 } from '../crypto/hash.ts';
import { equal, fromUtf8, toHex } from '../lib/bytes.ts';
import { FitError } from '../lib/errors.ts';
import { foldedName } from '../lib/file-name.ts';
import { type LintFinding, lint } from '../lib/lint.ts';
import type { DocumentTerms } from './contract.ts';
import { type CredentialTerms, TEXT_KINDS } from './credential.ts';
import { fieldFinding, readDraft } from './front-matter.ts';
import { type ContentCheck, MAX_FULL_BYTES, RECEIPT } from './items.ts';
import {
  type ArbiterTerms,
  arbiterIn,
  type ContentTerms,
  type DraftContent,
  type DraftTerms,
  exchangedItems,
  type FileTerms,
  formatTerms,
  type ItemTerms,
  type PartyTerms,
  type Terms,
  type TransferTerms,
} from './terms.ts';

export interface Document {
  /** The signed bytes, front matter and all. */
  readonly bytes: Uint8Array;
  /** SHA-256 of `bytes`. */
  readonly digest: Uint8Array;
  readonly terms: Terms;
  /** What follows the front matter, to the byte. */
  readonly body: string;
}

const FENCE = '+++\n';

/** `front` is null if the text has no front matter; `unclosed` if it starts one and never ends it. */
export type Split = { readonly front: string | null; readonly body: string } | 'unclosed';

export function splitFrontMatter(text: string): Split {
  if (!text.startsWith(FENCE)) return { front: null, body: text };
  const end = text.indexOf(`\n${FENCE}`, FENCE.length - 1);
  if (end !== -1) return { front: text.slice(FENCE.length, end + 1), body: text.slice(end + 1 + FENCE.length) };
  if (text.endsWith('\n+++')) return { front: text.slice(FENCE.length, -3), body: '' };
  return 'unclosed';
}

export function joinFrontMatter(terms: Terms, body: string): string {
  return `${FENCE}${formatTerms(terms)}${FENCE}${body}`;
}

/** The error for a text that may not be signed. `data.findings` are `LintFinding`s; the first one is in the message. */
export function badDocument(findings: readonly LintFinding[]): FitError {
  const first = findings[0] ?? { line: 1, column: 1, message: 'not a document' };
  return new FitError('bad-document', `line ${first.line}, column ${first.column}: ${first.message}`, {
    hint: 'nothing was signed; correct the text and try again',
    data: { findings },
  });
}

function sameItem(a: Partial<ItemTerms>, b: ItemTerms): boolean {
  return (
    a.from === b.from &&
    a.to === b.to &&
    a.kind === b.kind &&
    a.description === b.description &&
    a.digest === undefined &&
    a.amount === undefined
  );
}

/** Thrown and caught in this module: the first field that is missing or contradicts another. */
class Inconsistent extends Error {
  override name = 'Inconsistent' as const;
  readonly field: string;
  constructor(field: string, message: string) {
    super(message);
    this.field = field;
  }
}

function all<T extends object>(given: Partial<T> | undefined, field: string, keys: readonly (keyof T & string)[]): T {
  const missing = keys.find((key) => given?.[key] === undefined);
  if (given === undefined || missing !== undefined) throw new Inconsistent(`${field}.${missing ?? ''}`, 'missing');
  return given as T;
}

function one<T>(given: T | undefined, field: string): T {
  if (given === undefined) throw new Inconsistent(field, 'missing');
  return given;
}

function checkItems({
  format,
  items,
  parties,
  transfer,
}: Pick<Terms, 'format' | 'items' | 'parties' | 'transfer'>): void {
  const exchanged = exchangedItems(format, parties, transfer);
  const roles = parties.map((party) => party.role);
  items.forEach((item, index) => {
    const field = `item[${index}]`;
    if (!roles.includes(item.from)) throw new Inconsistent(`${field}.from`, 'not the role of a party');
    if (!roles.includes(item.to)) throw new Inconsistent(`${field}.to`, 'not the role of a party');
    if (item.from === item.to) throw new Inconsistent(`${field}.to`, 'the same party as from');
    const expected = exchanged[index];
    if (expected === undefined ? item.kind !== 'obligation' : !sameItem(item, expected))
      throw new Inconsistent(field, 'what the parties exchange stands once, the author’s first');
  });
  if (items.length < exchanged.length) throw new Inconsistent('item', 'what the parties exchange is missing');
}

function credentialIn(table: string, draft: DraftContent | undefined): CredentialTerms | null {
  const { credential, subject, fingerprint, issuer, issuer_fingerprint: issuerFingerprint } = draft ?? {};
  const { attributes: digest, valid_from: from, valid_until: until } = draft ?? {};
  const none = (what: string, ...values: readonly unknown[]): void => {
    if (values.some((one) => one !== undefined))
      throw new Inconsistent(`${table}.credential`, `what is said of ${what} stands with one`);
  };
  if (credential !== 'attribute-certificate')
    none('an attribute certificate', issuer, issuerFingerprint, digest, credential === 'ticket' ? undefined : from);
  if (credential === undefined || TEXT_KINDS.some((one) => one === credential)) {
    none('a certificate', subject, fingerprint, credential === 'ticket' ? undefined : until);
    if (credential === undefined) return null;
    const isTimed = from !== undefined || until !== undefined;
    const times = { validFrom: from ?? null, validUntil: until ?? null };
    return { kind: credential, certificate: null, ...(isTimed ? { times } : {}) };
  }
  const certificate = {
    subject: one(subject, `${table}.subject`),
    fingerprint: one(fingerprint, `${table}.fingerprint`),
    validUntil: one(until, `${table}.valid_until`),
  };
  if (credential === 'certificate') return { kind: credential, certificate };
  const attributes = {
    issuer: one(issuer, `${table}.issuer`),
    digest: one(digest, `${table}.attributes`),
    validFrom: one(from, `${table}.valid_from`),
    issuerFingerprint: issuerFingerprint ?? null,
  };
  return { kind: credential, certificate, attributes };
}

/** Files have names that no system takes for the same, and sizes that add up. `table` and `rows`: their names in the text. */
function contentIn(
  table: 'content' | 'other',
  rows: 'file' | 'other_file',
  draft: DraftTerms['content'],
  drafts: DraftTerms['files'],
): ContentTerms {
  const { root, bytes, chunks } = all<Pick<ContentTerms, 'root' | 'bytes' | 'chunks'>>(draft, table, [
    'root',
    'bytes',
    'chunks',
  ]);
  const given = { root, bytes, chunks, credential: credentialIn(table, draft) };
  const files = one(drafts, rows).map((file, index) =>
    all<FileTerms>(file, `${rows}[${index}]`, ['name', 'size', 'sha256']),
  );
  if (files.length === 0) throw new Inconsistent(rows, 'missing');
  if (given.credential !== null && files.length !== 1) throw new Inconsistent(rows, 'a credential is one file');
  const names = new Set<string>();
  for (const [index, { name }] of files.entries()) {
    const folded = foldedName(name);
    if (names.has(folded))
      throw new Inconsistent(`${rows}[${index}].name`, 'another file has this name on some systems');
    names.add(folded);
  }
  if (files.reduce((sum, file) => sum + file.size, 0) !== given.bytes || given.bytes > MAX_CONTENT_BYTES)
    throw new Inconsistent(`${table}.bytes`, 'not the sum of the files');
  if (given.chunks !== chunksOf(given.bytes)) throw new Inconsistent(`${table}.chunks`, 'not the number of that size');
  return { ...given, files };
}

/** Content has a check, a contract none; of a swap either the other content or what is wanted is named. */
function checkContent(
  draft: DraftTerms,
  format: Terms['format'],
  check: ContentCheck,
): Pick<Terms, 'content' | 'other' | 'want'> {
  if ((format === 'contract/1' || format === 'transfer/1') !== (check === 'none'))
    throw new Inconsistent('exchange.check', 'content has a window or a full check, a contract none');
  if (check === 'full' && format === 'swap/1')
    throw new Inconsistent('exchange.check', 'a swap has a window: a full check is for deliveries');
  const { content, files, other, otherFiles, want } = draft;
  if (format === 'contract/1' && (content !== undefined || files !== undefined))
    throw new Inconsistent(content === undefined ? 'file' : 'content', 'a contract delivers nothing by itself');
  if (format !== 'swap/1' && (other !== undefined || otherFiles !== undefined || want !== undefined))
    throw new Inconsistent(want === undefined ? 'other' : 'want', 'only a swap has it');
  if (format === 'contract/1') return { content: null, other: null, want: null };
  const given = contentIn('content', 'file', content, files);
  if (check === 'full' && given.bytes > MAX_FULL_BYTES)
    throw new Inconsistent('exchange.check', 'more content than a full check takes: it needs a window');
  if (format === 'delivery/1' || format === 'transfer/1') return { content: given, other: null, want: null };
  if ((other === undefined) === (want === undefined))
    throw new Inconsistent('other', 'a swap names the other content, or what is wanted');
  if (other === undefined) return { content: given, other: null, want: one(want, 'want') };
  const theirs = contentIn('other', 'other_file', other, otherFiles);
  if (equal(theirs.root, given.root)) throw new Inconsistent('other.root', 'the same content on both sides');
  return { content: given, other: theirs, want: null };
}

type Helped = Pick<Terms, 'arbiter' | 'transfer' | 'check' | 'offerUntil' | 'notAfter' | 'margin'>;

/** Who helps in an exchange, how and until when; of a transfer, its attributes, and that nobody does. */
function checkHelp(draft: DraftTerms, format: Terms['format']): Helped {
  const offerUntil = one(draft.offerUntil, 'exchange.offer_until');
  if (format === 'transfer/1') {
    for (const key of ['arbiter', 'check', 'notAfter', 'margin'] as const)
      if (draft[key] !== undefined)
        throw new Inconsistent(
          key === 'arbiter' ? key : 'exchange',
          'a transfer has no arbiter, and no help that ends',
        );
    const transfer = all<TransferTerms>(draft.transfer, 'transfer', ['origin', 'receipt']);
    return { arbiter: null, transfer, check: 'none', offerUntil, notAfter: offerUntil, margin: 0 };
  }
  if (draft.transfer !== undefined) throw new Inconsistent('transfer', 'only a transfer has it');
  const arbiter = all<ArbiterTerms>(draft.arbiter, 'arbiter', ['name', 'certificate', 'terms', 'mode']);
  if (format !== 'contract/1' && arbiter.mode !== 'invisible')
    throw new Inconsistent('arbiter.mode', 'exchanges of content have the mode "invisible"');
  const [notAfter, margin] = [one(draft.notAfter, 'exchange.not_after'), one(draft.margin, 'exchange.margin')];
  if (offerUntil + margin > notAfter)
    throw new Inconsistent('exchange.not_after', 'earlier than the end of the offer and the margin together');
  return { arbiter, transfer: null, check: one(draft.check, 'exchange.check'), offerUntil, notAfter, margin };
}

/** The terms, if nothing is missing and nothing contradicts; `Inconsistent` otherwise. */
function checkTerms(draft: DraftTerms): Terms {
  const given = one(draft.parties, 'party');
  if (given.length !== 2) throw new Inconsistent('party', 'a contract has two parties');
  const party = (index: 0 | 1) => all<PartyTerms>(given[index], `party[${index}]`, ['role', 'name', 'certificate']);
  const parties = [party(0), party(1)] as const;
  const items = one(draft.items, 'item').map((item, index) =>
    all<ItemTerms>(item, `item[${index}]`, ['from', 'to', 'kind', 'description']),
  );
  const attachments = (draft.attachments ?? []).map((attachment, index) =>
    all<Terms['attachments'][number]>(attachment, `attachment[${index}]`, ['name', 'size', 'sha256']),
  );
  const format = one(draft.format, 'fit');
  const help = checkHelp(draft, format);
  const { arbiter } = help;
  const terms: Terms = {
    format,
    ...help,
    ...checkContent(draft, format, help.check),
    title: one(draft.title, 'title'),
    deal: one(draft.deal, 'deal'),
    references: draft.references ?? [],
    parties,
    items,
    attachments,
  };
  if (parties[0].role === parties[1].role) throw new Inconsistent('party[1].role', 'both parties have the same role');
  if (equal(parties[0].certificate, parties[1].certificate))
    throw new Inconsistent('party[1].certificate', 'both parties have the same certificate');
  if (parties.some((each) => arbiter !== null && equal(each.certificate, arbiter.certificate)))
    throw new Inconsistent('arbiter.certificate', 'a party cannot be the arbiter');
  checkItems(terms);
  const names = attachments.map((attachment) => attachment.name.toLowerCase());
  if (new Set(names).size !== names.length) throw new Inconsistent('attachment', 'two attachments with one name');
  if (new Set(terms.references.map(toHex)).size !== terms.references.length)
    throw new Inconsistent('references', 'the same document twice');
  return terms;
}

/** Strict: the bytes as they would be signed. Throws `FitError('bad-document')` with `data.findings`. */
export function parseDocument(bytes: Uint8Array): Document {
  const findings = lint(bytes);
  if (findings.length > 0) throw badDocument(findings);
  const at = (line: number, code: string, message: string) => badDocument([{ line, column: 1, code, message }]);
  const split = splitFrontMatter(fromUtf8(bytes));
  if (split === 'unclosed') throw at(1, 'front-matter', 'the front matter does not end in a line +++');
  const { front, body } = split;
  if (front === null) throw at(1, 'front-matter', 'no front matter: the first line is not +++');
  const draft = readDraft(front);
  if (!draft.ok) throw badDocument([draft.finding]);
  let terms: Terms;
  try {
    terms = checkTerms(draft.value);
  } catch (error) {
    if (error instanceof Inconsistent) throw badDocument([fieldFinding(front, error.field, error.message)]);
    throw error;
  }
  const expected = formatTerms(terms);
  if (expected !== front) {
    const [is, should] = [front.split('\n'), expected.split('\n')];
    const line = is.findIndex((text, index) => text !== should[index]);
    throw at(
      Math.max(line, 0) + 2,
      'canonical',
      'the front matter is not in its one form: order, spacing or a comment',
    );
  }
  if (body.trim() === '') throw at(front.split('\n').length + 1, 'empty', 'no text after the front matter');
  return { bytes, digest: sha256(bytes), terms, body };
}

const named = ({ root, bytes, chunks }: ContentTerms) =>
  ({ kind: 'content', plaintextRoot: root, bytes, chunks }) as const;

/** The items of an exchange, its originator's first. */
function itemsOf({ terms, digest }: Document): Pick<DocumentTerms, 'itemO' | 'itemR'> {
  const { content, other } = terms;
  if (content === null) return { itemO: { kind: 'document', digest }, itemR: { kind: 'document', digest } };
  if (terms.format === 'delivery/1') return { itemO: named(content), itemR: { kind: 'statement', template: RECEIPT } };
  if (other === null)
    throw new FitError('wrong-state', 'this swap does not name yet what is given for it', {
      hint: 'answer it with fit deal swap and your files',
    });
  return { itemO: named(other), itemR: named(content) };
}

/** What the document says about its exchange: a lone sender of content is originator, else who accepts (PROTOCOL §6). */
export function exchangeTerms(document: Document): DocumentTerms {
  const { terms, digest } = document;
  const [author, addressee] = terms.parties;
  const arbiter = arbiterIn(terms);
  const [originator, responder] = terms.format === 'delivery/1' ? [author, addressee] : [addressee, author];
  return {
    originator: originator.certificate,
    responder: responder.certificate,
    arbiter: arbiter.certificate,
    terms: arbiter.terms,
    mode: arbiter.mode,
    check: terms.check,
    notAfter: terms.notAfter,
    margin: terms.margin,
    deal: terms.deal,
    document: digest,
    ...itemsOf(document),
  };
}

/** For `fit lint`: the text rules and, if there is front matter, whether it can be read; missing fields are not findings. */
export function lintDraft(bytes: Uint8Array): readonly LintFinding[] {
  const findings = lint(bytes);
  if (findings.length > 0) return findings;
  const split = splitFrontMatter(fromUtf8(bytes));
  if (split === 'unclosed')
    return [{ line: 1, column: 1, code: 'front-matter', message: 'the front matter does not end in a line +++' }];
  const draft = split.front === null ? undefined : readDraft(split.front);
  return draft === undefined || draft.ok ? [] : [draft.finding];
}
