/**
 * Documents as commerce uses them. The format itself is an item of the exchange layer (`src/exchange/document.ts`,
 * `terms.ts`, `front-matter.ts`), so that the verifier of evidence reads it without commerce; this page adds completion: a user
 * writes a text and perhaps a few fields, `completeDocument` writes the rest.
 *
 * Guarantees: deterministic; the result parses; the body stays byte for byte; completing the result again with the same
 * context changes nothing; what the user gave is kept, or refused if it contradicts the context.
 */
import {
  badDocument,
  type Document,
  exchangeTerms,
  joinFrontMatter,
  lintDraft,
  parseDocument,
  splitFrontMatter,
} from '../exchange/document.ts';
import { fieldFinding, readDraft } from '../exchange/front-matter.ts';
import type { ContentCheck } from '../exchange/items.ts';
import {
  type ArbiterTerms,
  type ContentTerms,
  type DraftTerms,
  exchangedItems,
  type ItemTerms,
  type Mode,
  type PartyTerms,
  type Terms,
  type TransferTerms,
} from '../exchange/terms.ts';
import { compare, equal, fromUtf8, utf8 } from '../lib/bytes.ts';
import { type LintFinding, lint } from '../lib/lint.ts';

export { type Document, type DraftTerms, exchangeTerms, type LintFinding, lint, lintDraft, parseDocument, type Terms };

export interface Named {
  readonly name: string;
  /** SHA-256 of the certificate. */
  readonly certificate: Uint8Array;
}

/** What the author may choose in the text; a default gives way to the text unless it is in `fixed`. */
export type Choice = 'mode' | 'offerUntil' | 'notAfter' | 'margin';

export interface DocumentContext {
  readonly deal: string;
  readonly author: Named;
  readonly addressee: Named;
  /** `terms`: SHA-256 of the arbiter's terms. null for a transfer. */
  readonly arbiter: (Named & { readonly terms: Uint8Array }) | null;
  readonly mode: Mode;
  /** Seconds since 1970; `margin` in seconds. */
  readonly offerUntil: number;
  readonly notAfter: number;
  readonly margin: number;
  /** Choices that a person made outside the text, which it must not contradict. */
  readonly fixed?: readonly Choice[];
  /** A delivery of this content; without, a contract. */
  readonly delivery?: {
    readonly content: ContentTerms;
    readonly check: ContentCheck;
    /** A swap: the content of the other side, or what is wanted of them. */
    readonly swap?: { readonly other: ContentTerms } | { readonly want: string };
    /** A transfer: its attributes. */
    readonly transfer?: TransferTerms;
  };
  readonly references?: readonly Uint8Array[];
  /** The version that this one answers: the parties keep the roles that they have there. */
  readonly answers?: Terms;
}

const MAX_TITLE = 100;

/** The first heading, else the first line that says something; shortened at a word. */
function titleOf(body: string): string {
  const lines = body.split('\n').map((line) => line.trim());
  const heading = lines.find((line) => /^#{1,6} +\S/.test(line));
  const line = heading?.replace(/^#+ +/, '').replace(/ +#+$/, '') ?? lines.find((each) => each !== '') ?? '';
  const characters = Array.from(line);
  if (characters.length <= MAX_TITLE) return line;
  const cut = characters.slice(0, MAX_TITLE - 1).join('');
  const space = cut.lastIndexOf(' ');
  return `${(space > MAX_TITLE / 2 ? cut.slice(0, space) : cut).trimEnd()}…`;
}

/** Completion of one text: carries the front matter along so that a contradiction is told with its line. */
class Completion {
  private readonly front: string;
  private readonly draft: DraftTerms;
  private readonly context: DocumentContext;

  constructor(front: string, draft: DraftTerms, context: DocumentContext) {
    this.front = front;
    this.draft = draft;
    this.context = context;
  }

  private refuse(field: string, message: string): never {
    throw badDocument([fieldFinding(this.front, field, message)]);
  }

  private agree<T>(field: string, given: T | undefined, expected: T): T {
    const same =
      given === undefined ||
      (given instanceof Uint8Array && expected instanceof Uint8Array ? equal(given, expected) : given === expected);
    return same ? expected : this.refuse(field, 'not what this deal says; leave the field out to have it filled in');
  }

  private choose<K extends Choice>(key: K, field: string, given: DocumentContext[K] | undefined): DocumentContext[K] {
    if (given === undefined || given === this.context[key]) return this.context[key];
    if (this.context.fixed?.includes(key)) return this.refuse(field, 'the text and the command say different things');
    return given;
  }

  /** The user's table for each party, in whatever order it was written: a counter-offer starts from the other's text. */
  private parties(): readonly [PartyTerms, PartyTerms] {
    const { author, addressee } = this.context;
    const given = this.draft.parties ?? [];
    const matches = (table: Partial<PartyTerms>, party: Named) =>
      table.certificate !== undefined ? equal(table.certificate, party.certificate) : table.name === party.name;
    const turned = given.some((table, index) => matches(table, index === 0 ? addressee : author));
    const [first, second] = turned ? [given[1], given[0]] : [given[0], given[1]];
    const indexes = turned ? [1, 0] : [0, 1];
    // In the order of the certificates, so that a party keeps its role when the other one answers.
    const byHash = compare(author.certificate, addressee.certificate) < 0 ? ['a', 'b'] : ['b', 'a'];
    const before = (named: Named) =>
      this.context.answers?.parties.find((party) => equal(party.certificate, named.certificate))?.role;
    const usual =
      this.context.delivery === undefined
        ? byHash.map((one) => `party-${one}`)
        : this.context.delivery.swap === undefined
          ? ['sender', 'receiver']
          : byHash.map((one) => `party-${one}`);
    const party = (named: Named, table: Partial<PartyTerms> | undefined, side: 0 | 1): PartyTerms => ({
      role: table?.role ?? before(named) ?? usual[side] ?? '',
      name: this.agree(`party[${indexes[side]}].name`, table?.name, named.name),
      certificate: this.agree(`party[${indexes[side]}].certificate`, table?.certificate, named.certificate),
    });
    return [party(author, first, 0), party(addressee, second, 1)];
  }

  private arbiter(): ArbiterTerms | null {
    const { arbiter } = this.context;
    const given = this.draft.arbiter;
    if (arbiter === null) return given === undefined ? null : this.refuse('arbiter', 'a transfer has no arbiter');
    return {
      name: this.agree('arbiter.name', given?.name, arbiter.name),
      certificate: this.agree('arbiter.certificate', given?.certificate, arbiter.certificate),
      terms: this.agree('arbiter.terms', given?.terms, arbiter.terms),
      mode: this.choose('mode', 'arbiter.mode', given?.mode),
    };
  }

  private format(): Terms['format'] {
    const { delivery } = this.context;
    const ofContent = delivery?.swap === undefined ? 'delivery/1' : 'swap/1';
    const format = delivery === undefined ? 'contract/1' : delivery.transfer === undefined ? ofContent : 'transfer/1';
    if (this.draft.format !== undefined && this.draft.format !== format)
      this.refuse('fit', format === 'contract/1' ? 'deliveries are made by fit deal deliver' : 'not a delivery');
    return format;
  }

  /** What the exchange hands over, then what else the user listed. A signature that was listed is one of the two. */
  private items(parties: readonly [PartyTerms, PartyTerms]): readonly ItemTerms[] {
    const given = this.draft.items ?? [];
    const exchanged = exchangedItems(this.format(), parties, this.context.delivery?.transfer);
    const others = given.flatMap((item, index): ItemTerms[] => {
      const field = `item[${index}]`;
      const { from, to, description, digest, amount } = item;
      if (item.kind !== undefined && item.kind !== 'obligation') {
        const known = exchanged.some(
          (each) => each.kind === item.kind && (from ?? each.from) === each.from && (to ?? each.to) === each.to,
        );
        if (!known || digest !== undefined || amount !== undefined)
          this.refuse(field, `not a ${item.kind} of this deal`);
        return [];
      }
      if (from === undefined || description === undefined)
        return this.refuse(field, 'an item needs from and description');
      const receiver = to ?? parties.find((party) => party.role !== from)?.role ?? from;
      return [
        {
          from,
          to: receiver,
          kind: 'obligation',
          description,
          ...(digest === undefined ? {} : { digest }),
          ...(amount === undefined ? {} : { amount }),
        },
      ];
    });
    return [...exchanged, ...others];
  }

  terms(body: string): Terms {
    const { draft, context } = this;
    const swap = context.delivery?.swap;
    const parties = this.parties();
    const attachments = (draft.attachments ?? []).map(({ name, size, sha256 }, index) => {
      if (name === undefined || size === undefined || sha256 === undefined)
        return this.refuse(`attachment[${index}]`, 'an attachment needs name, size and sha256');
      return { name, size, sha256 };
    });
    return {
      format: this.format(),
      content: context.delivery?.content ?? null,
      other: swap !== undefined && 'other' in swap ? swap.other : null,
      want: swap !== undefined && 'want' in swap ? swap.want : null,
      title: draft.title ?? titleOf(body),
      deal: this.agree('deal', draft.deal, context.deal),
      references: draft.references ?? context.references ?? [],
      parties,
      arbiter: this.arbiter(),
      transfer: context.delivery?.transfer ?? null,
      items: this.items(parties),
      check: context.delivery?.check ?? 'none',
      offerUntil: this.choose('offerUntil', 'exchange.offer_until', draft.offerUntil),
      notAfter: this.choose('notAfter', 'exchange.not_after', draft.notAfter),
      margin: this.choose('margin', 'exchange.margin', draft.margin),
      attachments,
    };
  }
}

/**
 * The whole document for a user's text, ready to be shown and signed. Throws `FitError('bad-document')` with
 * `data.findings`, whose positions are those of the user's text, or of the completed one if only that is at fault.
 */
export function completeDocument(userBytes: Uint8Array, context: DocumentContext): Uint8Array {
  const findings = lintDraft(userBytes);
  if (findings.length > 0) throw badDocument(findings);
  const split = splitFrontMatter(fromUtf8(userBytes));
  if (split === 'unclosed') throw badDocument([]);
  const { front } = split;
  // A blank line between the terms and a text that was written without them.
  const body = front === null && !split.body.startsWith('\n') ? `\n${split.body}` : split.body;
  if (body.trim() === '')
    throw badDocument([{ line: 1, column: 1, code: 'empty', message: 'no text after the front matter' }]);
  const draft = front === null ? undefined : readDraft(front);
  const completion = new Completion(front ?? '', draft?.ok === true ? draft.value : {}, context);
  const completed = utf8(joinFrontMatter(completion.terms(body), body));
  parseDocument(completed);
  return completed;
}
