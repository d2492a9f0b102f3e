/** PEM (RFC 7468): text around the blocks is skipped, as openssl writes it; inside a block nothing odd is accepted. */
import { FitError } from '../../lib/errors.ts';

const PEM_MAX_CHARACTERS = 1024 * 1024;
const MAX_BLOCKS = 256;

export interface PemBlock {
  readonly label: string;
  readonly der: Uint8Array;
}

export function toPem(label: string, der: Uint8Array): string {
  const lines = Buffer.from(der)
    .toString('base64')
    .match(/.{1,64}/g);
  return `-----BEGIN ${label}-----\n${(lines ?? []).join('\n')}\n-----END ${label}-----\n`;
}

/** All blocks in their order; FitError('bad-file') for a block that is cut off or is not base64, or a text above 1 MiB. */
export function pemBlocks(text: string): PemBlock[] {
  if (text.length > PEM_MAX_CHARACTERS) throw new FitError('bad-file', 'the PEM file is larger than 1 MiB');
  const blocks: PemBlock[] = [];
  let open: { label: string; lines: string[] } | undefined;
  for (const line of text.split(/\r?\n/)) {
    const [, kind, label] = /^-----(BEGIN|END) ([A-Z0-9 ]{1,64})-----\s*$/.exec(line) ?? [];
    if (kind === 'BEGIN' && label !== undefined) {
      if (open !== undefined) throw broken();
      open = { label, lines: [] };
    } else if (kind === 'END') {
      if (open === undefined || open.label !== label || blocks.length === MAX_BLOCKS) throw broken();
      blocks.push({ label: open.label, der: fromBase64(open.lines.join('')) });
      open = undefined;
    } else {
      open?.lines.push(line.trim());
    }
  }
  if (open !== undefined) throw broken();
  return blocks;
}

/** The contents of all blocks with this label, possibly none. */
export function fromPem(text: string, label: string): Uint8Array[] {
  return pemBlocks(text)
    .filter((block) => block.label === label)
    .map((block) => block.der);
}

function fromBase64(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64');
  if (text === '' || bytes.toString('base64') !== text) throw broken();
  return new Uint8Array(bytes);
}

function broken(): FitError {
  return new FitError('bad-file', 'the PEM file is damaged', { hint: 'see whether it was copied whole' });
}
