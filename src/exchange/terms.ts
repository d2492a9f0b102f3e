/**
 * The terms of a contract or a delivery, and the one text that they have as front matter (DESIGN §6, `fit = "contract/1"`,
 * `fit = "delivery/1"` and so on). Reading is front-matter.ts; values are plain lines, hashes and times, checked there.
 */
import { present } from '../lib/assert.ts';
import { toHex } from '../lib/bytes.ts';
import { isoTime } from '../lib/clock.ts';
import type { CredentialKind, CredentialTerms } from './credential.ts';
import type { ContentCheck } from './items.ts';
import type { Course } from './party.ts';

/**
 * A contract exchanges signatures on itself, a delivery content that it names for a signed receipt, a swap content for content.
 * A swap whose other content is not named yet says what is wanted; who answers it names theirs. A transfer hands content over
 * one way, without an arbiter.
 */
export const DOCUMENT_FORMATS = ['contract/1', 'delivery/1', 'swap/1', 'transfer/1'] as const;
export type DocumentFormat = (typeof DOCUMENT_FORMATS)[number];
/** PROTOCOL §9: stands in every document of affidavit mode, else a promise in that mode counts for nothing. */
export const AFFIDAVIT_NOTICE = 'a promise alone binds nobody';

export const MODES = ['invisible', 'affidavit'] as const;
export type Mode = (typeof MODES)[number];

/**
 * `signature`: on this document, handed over by the exchange. `obligation`: owed under the text, not handed over by it.
 * `content`: the files of a delivery. `receipt`: a signed statement that they were received.
 */
export const ITEM_KINDS = ['signature', 'obligation', 'content', 'receipt'] as const;
export type ItemKind = (typeof ITEM_KINDS)[number];

export interface PartyTerms {
  /** Lower-case word, unique in the document; items refer to it. */
  readonly role: string;
  readonly name: string;
  /** SHA-256 of the certificate. */
  readonly certificate: Uint8Array;
}

export interface ArbiterTerms {
  readonly name: string;
  readonly certificate: Uint8Array;
  /** SHA-256 of the arbiter's terms. */
  readonly terms: Uint8Array;
  readonly mode: Mode;
}

export interface ItemTerms {
  readonly from: string;
  readonly to: string;
  readonly kind: ItemKind;
  readonly description: string;
  readonly digest?: Uint8Array;
  /** Currency and decimal number: `EUR 120.00`. */
  readonly amount?: string;
}

export interface AttachmentTerms {
  readonly name: string;
  readonly size: number;
  readonly sha256: Uint8Array;
}

export interface FileTerms {
  /** A file name without a path (`isFileName`). */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly sha256: Uint8Array;
}

/** What a delivery delivers: the files one after the other, cut into chunks (crypto/content.ts). */
export interface ContentTerms {
  /** Root of the tree over the salted chunks. */
  readonly root: Uint8Array;
  readonly bytes: number;
  readonly chunks: number;
  /** The one file is a credential, and this is what it says of itself. */
  readonly credential: CredentialTerms | null;
  readonly files: readonly FileTerms[];
}

export const TRANSFER_RECEIPTS = ['asked', 'none'] as const;

/** The attributes of a transfer: its sender signs a statement of origin; its receiver is asked for a signed receipt. */
export interface TransferTerms {
  readonly origin: boolean;
  readonly receipt: (typeof TRANSFER_RECEIPTS)[number];
}

export interface Terms {
  readonly format: DocumentFormat;
  readonly title: string;
  readonly deal: string;
  /** SHA-256 of earlier documents. */
  readonly references: readonly Uint8Array[];
  /** First the author of this version (who answers as responder), then the addressee (originator when it accepts). */
  readonly parties: readonly [PartyTerms, PartyTerms];
  /** null in `transfer/1` alone. */
  readonly arbiter: ArbiterTerms | null;
  /** `transfer/1` alone. */
  readonly transfer: TransferTerms | null;
  readonly items: readonly ItemTerms[];
  /** Content of the author. None in `contract/1`. */
  readonly content: ContentTerms | null;
  /** `swap/1`: content of the addressee, once it is named; else what is wanted of them. */
  readonly other: ContentTerms | null;
  readonly want: string | null;
  readonly check: ContentCheck;
  /** Seconds since 1970. */
  readonly offerUntil: number;
  /** Of a transfer, where no help ends, the end of the offer; and its margin is 0. */
  readonly notAfter: number;
  /** Seconds. */
  readonly margin: number;
  readonly attachments: readonly AttachmentTerms[];
}

/** A content's table, with the lines of a credential as they stand in it. */
export interface DraftContent extends Partial<Omit<ContentTerms, 'files' | 'credential'>> {
  readonly credential?: CredentialKind;
  readonly subject?: string;
  readonly fingerprint?: Uint8Array;
  readonly issuer?: string;
  readonly issuer_fingerprint?: Uint8Array;
  readonly attributes?: Uint8Array;
  readonly valid_from?: number;
  readonly valid_until?: number;
}

/** What a user may have given, in whatever part. */
export interface DraftTerms {
  readonly title?: string;
  readonly deal?: string;
  readonly references?: readonly Uint8Array[];
  readonly parties?: readonly Partial<PartyTerms>[];
  readonly arbiter?: Partial<ArbiterTerms>;
  readonly transfer?: Partial<TransferTerms>;
  readonly items?: readonly Partial<ItemTerms>[];
  readonly format?: DocumentFormat;
  readonly content?: DraftContent;
  readonly files?: readonly Partial<FileTerms>[];
  readonly other?: DraftContent;
  readonly otherFiles?: readonly Partial<FileTerms>[];
  readonly want?: string;
  readonly check?: ContentCheck;
  readonly offerUntil?: number;
  readonly notAfter?: number;
  readonly margin?: number;
  readonly attachments?: readonly Partial<AttachmentTerms>[];
}

/** Which tables this text follows: those of an exchange, or of a transfer. */
export function courseOfTerms({ format }: Pick<Terms, 'format'>): Course | 'transfer' {
  switch (format) {
    case 'contract/1':
      return 'contract';
    case 'delivery/1':
      return 'delivery';
    case 'swap/1':
      return 'swap';
    case 'transfer/1':
      return 'transfer';
  }
}

/**
 * What is handed over by the exchange itself under each format: each party's item, the author's first. They are always there; only
 * a transfer without receipt has one alone.
 */
export function exchangedItems(
  format: DocumentFormat,
  parties: readonly [PartyTerms, PartyTerms],
  transfer: Partial<TransferTerms> | null = null,
): readonly ItemTerms[] {
  const [author, addressee] = [parties[0].role, parties[1].role];
  if (format === 'contract/1') return signatureItems(parties);
  const given: ItemTerms = {
    from: author,
    to: addressee,
    kind: 'content',
    description: 'the files that this text names',
  };
  if (format === 'swap/1')
    return [given, { from: addressee, to: author, kind: 'content', description: 'the files that are given for them' }];
  const receipt: ItemTerms = { from: addressee, to: author, kind: 'receipt', description: 'signed receipt for them' };
  return transfer?.receipt === 'none' ? [given] : [given, receipt];
}

/** The arbiter of a text that is exchanged: only a transfer has none. */
export function arbiterIn({ arbiter }: Pick<Terms, 'arbiter'>): ArbiterTerms {
  return present(arbiter, 'the arbiter of an exchange');
}

/** The signature items of a plain contract: each party's, to the other. */
export function signatureItems(parties: readonly [PartyTerms, PartyTerms]): readonly [ItemTerms, ItemTerms] {
  const item = (from: string, to: string): ItemTerms => ({
    from,
    to,
    kind: 'signature',
    description: 'signature on this document',
  });
  const [author, addressee] = [parties[0].role, parties[1].role];
  return [item(author, addressee), item(addressee, author)];
}

/** Whether two texts say the same of a content: a root alone binds no size, name, digest or kind. */
export function sameContent(one: ContentTerms, other: ContentTerms): boolean {
  return contentLines('content', one).join('') === contentLines('content', other).join('');
}

/** A TOML basic string. Values are plain lines, so only these two characters need an escape. */
function quoted(value: string): string {
  return `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

function pairs(...entries: readonly (readonly [key: string, value: string | undefined])[]): string {
  return entries.flatMap(([key, value]) => (value === undefined ? [] : [`${key} = ${value}\n`])).join('');
}

const hex = (value: Uint8Array | undefined) => (value === undefined ? undefined : quoted(toHex(value)));

function credentialLines(
  credential: CredentialTerms | null,
): readonly (readonly [key: string, value: string | undefined])[] {
  if (credential === null) return [];
  const { kind, certificate, attributes, times } = credential;
  const from = attributes?.validFrom ?? times?.validFrom ?? null;
  const until = certificate?.validUntil ?? times?.validUntil ?? null;
  return [
    ['credential', quoted(kind)],
    ['subject', certificate === null ? undefined : quoted(certificate.subject)],
    ['fingerprint', hex(certificate?.fingerprint)],
    ['issuer', attributes === undefined ? undefined : quoted(attributes.issuer)],
    ['issuer_fingerprint', hex(attributes?.issuerFingerprint ?? undefined)],
    ['attributes', hex(attributes?.digest)],
    ['valid_from', from === null ? undefined : isoTime(from)],
    ['valid_until', until === null ? undefined : isoTime(until)],
  ];
}

/** A content's table and the rows of its files. */
function contentLines(table: 'content' | 'other', content: ContentTerms | null): readonly string[] {
  if (content === null) return [];
  const head = pairs(
    ['root', hex(content.root)],
    ['bytes', String(content.bytes)],
    ['chunks', String(content.chunks)],
    ...credentialLines(content.credential),
  );
  const row = table === 'content' ? 'file' : 'other_file';
  const files = content.files.map(
    ({ name, size, sha256 }) =>
      `\n[[${row}]]\n${pairs(['name', quoted(name)], ['size', String(size)], ['sha256', hex(sha256)])}`,
  );
  return [`\n[${table}]\n${head}`, ...files];
}

/** The one text of these terms, without the `+++` lines. Ends in a line feed. */
export function formatTerms(terms: Terms): string {
  const { arbiter, references } = terms;
  const head = pairs(
    ['fit', quoted(terms.format)],
    ['title', quoted(terms.title)],
    ['deal', quoted(terms.deal)],
    ['want', terms.want === null ? undefined : quoted(terms.want)],
    ['references', references.length === 0 ? undefined : `[\n${references.map((one) => `  ${hex(one)},\n`).join('')}]`],
  );
  const parties = terms.parties.map(
    ({ role, name, certificate }) =>
      `\n[[party]]\n${pairs(['role', quoted(role)], ['name', quoted(name)], ['certificate', hex(certificate)])}`,
  );
  const chosen =
    arbiter === null
      ? ''
      : `\n[arbiter]\n${pairs(
          ['name', quoted(arbiter.name)],
          ['certificate', hex(arbiter.certificate)],
          ['terms', hex(arbiter.terms)],
          ['mode', quoted(arbiter.mode)],
          ['notice', arbiter.mode === 'affidavit' ? quoted(AFFIDAVIT_NOTICE) : undefined],
        )}`;
  const { transfer } = terms;
  const attributes =
    transfer === null
      ? ''
      : `\n[transfer]\n${pairs(['origin', String(transfer.origin)], ['receipt', quoted(transfer.receipt)])}`;
  const helped = transfer === null;
  const items = terms.items.map((item) => {
    const rest = pairs(
      ['from', quoted(item.from)],
      ['to', quoted(item.to)],
      ['kind', quoted(item.kind)],
      ['description', quoted(item.description)],
      ['digest', hex(item.digest)],
      ['amount', item.amount === undefined ? undefined : quoted(item.amount)],
    );
    return `\n[[item]]\n${rest}`;
  });
  const content = [...contentLines('content', terms.content), ...contentLines('other', terms.other)];
  const exchange = pairs(
    ['check', helped ? quoted(terms.check) : undefined],
    ['offer_until', isoTime(terms.offerUntil)],
    ['not_after', helped ? isoTime(terms.notAfter) : undefined],
    ['margin', helped ? String(terms.margin) : undefined],
  );
  const attachments = terms.attachments.map(
    ({ name, size, sha256 }) =>
      `\n[[attachment]]\n${pairs(['name', quoted(name)], ['size', String(size)], ['sha256', hex(sha256)])}`,
  );
  return [head, ...parties, chosen, attributes, ...items, ...content, `\n[exchange]\n${exchange}`, ...attachments].join(
    '',
  );
}
