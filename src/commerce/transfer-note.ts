/** The text of the note of a transfer, for the reader: what is sent, what is signed for it, and that nothing is exchanged fairly. */
import type { ContentTerms, TransferTerms } from '../exchange/terms.ts';
import { amount, listOf, titleOf } from './note.ts';

const ORIGIN = `The sender signs a statement of origin: that the files are what this note
says. It goes to the receiver together with the key.
`;
const NO_ORIGIN = `The sender signs nothing but this offer: the receiver cannot prove to others
where the files come from, nor that they were wrong.
`;
const RECEIPT = `The receiver signs a receipt once all of it is there and every part was
compared. There is no arbiter: a receiver who keeps the files and signs nothing
cannot be made to.
`;
const NO_RECEIPT = `The receiver signs no receipt.
`;

/** `text`: what the author adds. Ends in a line feed. */
export function transferNoteOf(content: ContentTerms, { origin, receipt }: TransferTerms, text?: string): string {
  const added = text === undefined || text.trim() === '' ? '' : `\n${text.trimEnd()}\n`;
  const said = `${origin ? ORIGIN : NO_ORIGIN}\n${receipt === 'asked' ? RECEIPT : NO_RECEIPT}`;
  return `# Transfer: ${titleOf(content)}\n\nThe sender sends to the receiver, ${amount(content.bytes)} in all:\n\n${listOf(content)}\n${said}${added}`;
}
