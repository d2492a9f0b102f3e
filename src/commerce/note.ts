/** The text of a delivery note, for the reader: what is delivered, for what, and what happens if it is not what it should be. */
import type { ContentTerms } from '../exchange/terms.ts';

/** Files that are named one by one; the terms name all. */
const MAX_NAMED = 20;

function span(seconds: number): string {
  const units = [
    [86_400, 'day'],
    [3600, 'hour'],
    [60, 'minute'],
  ] as const;
  const [size, unit] = units.find(([one]) => seconds % one === 0) ?? [1, 'second'];
  const count = seconds / size;
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}

export const amount = (bytes: number): string => `${bytes} byte${bytes === 1 ? '' : 's'}`;

export function listOf(content: ContentTerms): string {
  const { files } = content;
  const named = files.slice(0, MAX_NAMED).map((file) => `- ${file.name}, ${amount(file.size)}\n`);
  const more =
    files.length > MAX_NAMED ? [`- and ${files.length - MAX_NAMED} more, all named in the terms above\n`] : [];
  return [...named, ...more].join('');
}

export function titleOf({ files }: ContentTerms): string {
  const [first] = files;
  return files.length === 1 && first !== undefined ? first.name : `${files.length} files`;
}

const FULL_RECEIPT = `The receiver gives a signed receipt for it. The receipt counts if the receiver
got the key of this very content, from the sender or from the arbiter. If the
arbiter is asked, it is brought the content, compares all of it, and can read
it; if a part of it is wrong, nobody owes anything.
`;

const RECEIPT = (window: number): string =>
  window === 0
    ? FULL_RECEIPT
    : `The receiver gives a signed receipt for it. The receipt counts if the receiver
got the key of this very content, from the sender or from the arbiter. If a part
of it is wrong, the receiver proves it to the arbiter within ${span(window)} after the
arbiter was first asked, and nobody owes anything.
`;

const SWAP = (window: number): string => `Both give the key of their content in one exchange. If a part of what one side
got is wrong, it proves that to the arbiter within ${span(window)} after the arbiter was
first asked, and has its word that the exchange is void. What it gave itself may
be out by then.
`;

/** `window`: seconds; 0 if the arbiter compares the content. `text`: what the author adds. Ends in a line feed. */
export function noteOf(
  content: ContentTerms,
  window: number,
  text?: string,
  swap?: { readonly want: string } | { readonly other: ContentTerms },
): string {
  const { bytes } = content;
  const answered = swap !== undefined && 'other' in swap ? ` for ${titleOf(swap.other)}` : '';
  const title = `${titleOf(content)}${answered}`;
  const head =
    swap === undefined
      ? `# Delivery: ${title}\n\nThe sender delivers to the receiver, ${amount(bytes)} in all:`
      : `# Swap: ${title}\n\nThe first party gives, ${amount(bytes)} in all:`;
  const forIt =
    swap === undefined
      ? RECEIPT(window)
      : 'want' in swap
        ? `and wants for it: ${swap.want}\n\nThis binds nobody yet. It is answered with the files that are wanted.\n`
        : `The other party gives for it, ${amount(swap.other.bytes)} in all:\n\n${listOf(swap.other)}\n${SWAP(window)}`;
  const added = text === undefined || text.trim() === '' ? '' : `\n${text.trimEnd()}\n`;
  return `${head}\n\n${listOf(content)}\n${forIt}${added}`;
}
