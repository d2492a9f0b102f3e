/**
 * Reads the terms of a document that a machine acts on: TOML between two `+++` lines at the top (DESIGN §6).
 *
 * Guarantees: lenient about order, comments and missing fields, which `parseDocument` is not; strict about every value that is
 * there, and about unknown fields, because a misspelt one must not be lost; findings repeat no text of the file but plain names.
 */
import { parse, TomlDate, TomlError } from 'smol-toml';
import { fromHex } from '../lib/bytes.ts';
import { isFileName } from '../lib/file-name.ts';
import { isPlainLine, type LintFinding } from '../lib/lint.ts';
import { ID_PATTERN } from '../lib/rng.ts';
import { CREDENTIAL_KINDS } from './credential.ts';
import { type ContentCheck, readCheck } from './items.ts';
import {
  AFFIDAVIT_NOTICE,
  type ArbiterTerms,
  type AttachmentTerms,
  DOCUMENT_FORMATS,
  type DraftContent,
  type DraftTerms,
  type FileTerms,
  ITEM_KINDS,
  type ItemTerms,
  MODES,
  type PartyTerms,
  TRANSFER_RECEIPTS,
  type TransferTerms,
} from './terms.ts';

const MAX_NAME = 64;
const MAX_TITLE = 120;
const MAX_DESCRIPTION = 160;
const MAX_ITEMS = 32;
const MAX_ATTACHMENTS = 32;
const MAX_REFERENCES = 32;
/** What a text of 64 KiB has room for. */
const MAX_FILES = 400;
/** Seconds: 9999-12-31, the last year that RFC 3339 and certificates can write. */
const MAX_TIME = 253_402_300_799;
const MAX_MARGIN = 10 * 365 * 86_400;

export type ReadResult<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly finding: LintFinding };

/** Thrown inside this module only: a field that is not what it must be. */
class BadField extends Error {
  override name = 'BadField' as const;
  readonly field: string;
  constructor(field: string, message: string) {
    super(message);
    this.field = field;
  }
}

type Table = Readonly<Record<string, unknown>>;
type Reader<T> = (value: unknown, field: string) => T;

function text(maxLength: number): Reader<string> {
  return (value, field) => {
    if (typeof value !== 'string' || !isPlainLine(value, maxLength))
      throw new BadField(field, `not a plain line of at most ${maxLength} characters`);
    return value;
  };
}

function matching(pattern: RegExp, what: string): Reader<string> {
  return (value, field) => {
    if (typeof value !== 'string' || !pattern.test(value)) throw new BadField(field, `not ${what}`);
    return value;
  };
}

function oneOf<const T extends string>(allowed: readonly T[]): Reader<T> {
  return (value, field) => {
    const found = allowed.find((one) => one === value);
    if (found === undefined) throw new BadField(field, `not ${allowed.map((one) => `"${one}"`).join(' or ')}`);
    return found;
  };
}

const hash: Reader<Uint8Array> = (value, field) => {
  if (typeof value !== 'string' || !/^[0-9a-f]{64}$/.test(value))
    throw new BadField(field, 'not a SHA-256 of 64 lower-case hexadecimal digits');
  return fromHex(value);
};

function integer(max: number): Reader<number> {
  return (value, field) => {
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > max)
      throw new BadField(field, `not a whole number up to ${max}`);
    return value;
  };
}

const time: Reader<number> = (value, field) => {
  const ms = value instanceof TomlDate && value.isDateTime() && !value.isLocal() ? value.getTime() : Number.NaN;
  if (!Number.isInteger(ms) || ms % 1000 !== 0 || ms < 0 || ms / 1000 > MAX_TIME)
    throw new BadField(field, 'not a time such as 2026-12-01T12:00:00Z, in whole seconds and with its zone');
  return ms / 1000;
};

function table(value: unknown, field: string, keys: readonly string[]): Table {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof TomlDate)
    throw new BadField(field, 'not a table');
  const unknown = Object.keys(value).find((key) => !keys.includes(key));
  if (unknown !== undefined) throw new BadField(`${field === '' ? '' : `${field}.`}${unknown}`, 'unknown field');
  return value as Table;
}

function list<T>(value: unknown, field: string, max: number, reader: Reader<T>): T[] {
  if (!Array.isArray(value)) throw new BadField(field, 'not a list');
  if (value.length > max) throw new BadField(field, `more than ${max} entries`);
  return value.map((entry, index) => reader(entry, `${field}[${index}]`));
}

/** The fields of `shape` that are there, each read by its reader. */
function fields<T>(value: Table, field: string, shape: { readonly [K in keyof T]-?: Reader<T[K]> }): Partial<T> {
  const found: Partial<T> = {};
  for (const key of Object.keys(shape) as (keyof T & string)[]) {
    const given = value[key];
    if (given !== undefined) found[key] = shape[key](given, `${field}.${key}`);
  }
  return found;
}

const role = matching(/^[a-z][a-z0-9-]{0,31}$/, 'a role: a lower-case word of at most 32 letters, digits and hyphens');
const amount = matching(/^[A-Z]{3} (?:0|[1-9]\d{0,14})(?:\.\d{1,8})?$/, 'an amount such as "EUR 120.00"');
const fileName = matching(
  /^(?!\.)[A-Za-z0-9][A-Za-z0-9 ._-]{0,98}[A-Za-z0-9]$|^[A-Za-z0-9]$/,
  'a plain file name of at most 100 letters, digits, spaces, dots, hyphens and underscores',
);

const PARTY = { role, name: text(MAX_NAME), certificate: hash };
const ARBITER = { name: text(MAX_NAME), certificate: hash, terms: hash, mode: oneOf(MODES) };
const ITEM = {
  from: role,
  to: role,
  kind: oneOf(ITEM_KINDS),
  description: text(MAX_DESCRIPTION),
  digest: hash,
  amount,
};
const ATTACHMENT = { name: fileName, size: integer(Number.MAX_SAFE_INTEGER), sha256: hash };
const contentCheck: Reader<ContentCheck> = (value, field) => {
  const found = typeof value === 'string' ? readCheck(value) : undefined;
  if (found === undefined) throw new BadField(field, 'not "none", "full" or "window=" with seconds');
  return found;
};
const receivedName: Reader<string> = (value, field) => {
  if (typeof value !== 'string' || !isPlainLine(value, 200) || !isFileName(value))
    throw new BadField(field, 'not a file name that every system takes');
  return value;
};
const size = integer(Number.MAX_SAFE_INTEGER);
const CONTENT = {
  root: hash,
  bytes: size,
  chunks: size,
  credential: oneOf(CREDENTIAL_KINDS),
  subject: text(MAX_DESCRIPTION),
  fingerprint: hash,
  issuer: text(MAX_DESCRIPTION),
  issuer_fingerprint: hash,
  attributes: hash,
  valid_from: time,
  valid_until: time,
};
const FILE = { name: receivedName, size, sha256: hash };
const flag: Reader<boolean> = (value, field) => {
  if (typeof value !== 'boolean') throw new BadField(field, 'not true or false');
  return value;
};
const TRANSFER = { origin: flag, receipt: oneOf(TRANSFER_RECEIPTS) };
const EXCHANGE = { check: contentCheck, offer_until: time, not_after: time, margin: integer(MAX_MARGIN) };

function rows<T>(shape: { readonly [K in keyof T]-?: Reader<T[K]> }): Reader<Partial<T>> {
  return (value, field) => fields<T>(table(value, field, Object.keys(shape)), field, shape);
}

const TOP = [
  'fit',
  'title',
  'deal',
  'references',
  'party',
  'arbiter',
  'transfer',
  'item',
  'content',
  'file',
  'other',
  'other_file',
  'want',
  'exchange',
  'attachment',
];

function draftOf(root: Table): DraftTerms {
  table(root, '', TOP);
  const arbiter =
    root.arbiter === undefined ? undefined : table(root.arbiter, 'arbiter', [...Object.keys(ARBITER), 'notice']);
  if (arbiter?.notice !== undefined) oneOf([AFFIDAVIT_NOTICE])(arbiter.notice, 'arbiter.notice');
  const exchange = rows<{ check: ContentCheck; offer_until: number; not_after: number; margin: number }>(EXCHANGE);
  const times = root.exchange === undefined ? {} : exchange(root.exchange, 'exchange');
  return {
    ...(root.fit === undefined ? {} : { format: oneOf(DOCUMENT_FORMATS)(root.fit, 'fit') }),
    ...(root.content === undefined ? {} : { content: rows<Required<DraftContent>>(CONTENT)(root.content, 'content') }),
    ...(root.want === undefined ? {} : { want: text(MAX_DESCRIPTION)(root.want, 'want') }),
    ...(root.other === undefined ? {} : { other: rows<Required<DraftContent>>(CONTENT)(root.other, 'other') }),
    ...(root.other_file === undefined
      ? {}
      : { otherFiles: list(root.other_file, 'other_file', MAX_FILES, rows<FileTerms>(FILE)) }),
    ...(root.file === undefined ? {} : { files: list(root.file, 'file', MAX_FILES, rows<FileTerms>(FILE)) }),
    ...(root.title === undefined ? {} : { title: text(MAX_TITLE)(root.title, 'title') }),
    ...(root.deal === undefined ? {} : { deal: matching(ID_PATTERN, 'a deal id')(root.deal, 'deal') }),
    ...(root.references === undefined ? {} : { references: list(root.references, 'references', MAX_REFERENCES, hash) }),
    ...(root.party === undefined ? {} : { parties: list(root.party, 'party', 2, rows<PartyTerms>(PARTY)) }),
    ...(arbiter === undefined ? {} : { arbiter: fields<ArbiterTerms>(arbiter, 'arbiter', ARBITER) }),
    ...(root.transfer === undefined ? {} : { transfer: rows<TransferTerms>(TRANSFER)(root.transfer, 'transfer') }),
    ...(root.item === undefined ? {} : { items: list(root.item, 'item', MAX_ITEMS, rows<Required<ItemTerms>>(ITEM)) }),
    ...(root.attachment === undefined
      ? {}
      : { attachments: list(root.attachment, 'attachment', MAX_ATTACHMENTS, rows<AttachmentTerms>(ATTACHMENT)) }),
    ...(times.check === undefined ? {} : { check: times.check }),
    ...(times.offer_until === undefined ? {} : { offerUntil: times.offer_until }),
    ...(times.not_after === undefined ? {} : { notAfter: times.not_after }),
    ...(times.margin === undefined ? {} : { margin: times.margin }),
  };
}

/** Line of the file on which a field such as `party[1].name` stands; the line after the first `+++` if it is nowhere. */
function lineOf(source: string, field: string): number {
  const [, name = '', index, key] = /^([^.[]*)(?:\[(\d+)\])?(?:\.(.*))?$/.exec(field) ?? [];
  const lines = source.split('\n');
  let at = 0;
  if (key !== undefined || index !== undefined) {
    let left = Number(index ?? 0);
    at = lines.findIndex((line) => line.replace(/[[\]\s]/g, '') === name && line.startsWith('[') && left-- === 0);
  }
  const wanted = (key ?? name).replace(/\[.*/, '');
  const found = lines.findIndex((line, number) => number >= at && line.trimStart().startsWith(wanted));
  return Math.max(found, at, 0) + 2;
}

/** A finding about a field; its name is repeated only if it is as plain as ours. */
export function fieldFinding(source: string, field: string, message: string): LintFinding {
  const named = /^[\w.[\]-]{1,64}$/.test(field) ? field : 'a field';
  return { line: lineOf(source, field), column: 1, code: 'field', message: `${named}: ${message}` };
}

/** `source` is what stands between the `+++` lines. Positions count from the top of the file. */
export function readDraft(source: string): ReadResult<DraftTerms> {
  try {
    return { ok: true, value: draftOf(parse(source, { maxDepth: 4, unsafeKeyBehaviour: 'throw' })) };
  } catch (error) {
    if (error instanceof BadField) {
      return { ok: false, finding: fieldFinding(source, error.field, error.message) };
    }
    if (!(error instanceof TomlError)) throw error;
    const { line, column } = error;
    return {
      ok: false,
      finding: { line: line + 1, column, code: 'toml', message: 'the front matter is not valid TOML' },
    };
  }
}
