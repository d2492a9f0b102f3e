/**
 * The `.asics` container: ETSI EN 319 162-1 ASiC-S with CAdES, a ZIP whose root holds one object and whose META-INF holds
 * its signature. Ours is canonical: stored entries, fixed order, the earliest DOS time, no attributes, no comment.
 *
 * Guarantee: `readAsics` accepts only what `writeAsics` makes of the files it finds, so that every changed bit, also one that
 * ZIP programs ignore, is found. Sizes are bounded before anything is unpacked.
 */
import { unzipSync, type Zippable, zipSync } from 'fflate';
import { assert } from '../lib/assert.ts';
import { equal, utf8 } from '../lib/bytes.ts';
import { type EvidenceFile, FILE } from './bundle.ts';

export const ASICS_MAX_BYTES = 256 * 1024 * 1024;
const MAX_FILES = 256;
const MIMETYPE = { name: 'mimetype', data: utf8('application/vnd.etsi.asic-s+zip') };
const SIGNATURE = 'META-INF/signature.p7s';
const OWN = 'META-INF/fit/';

interface Layout {
  readonly root: string;
  readonly signature: string;
}

const CONTRACT: Layout = { root: FILE.document, signature: FILE.signature };
/** What lies at the root and what signs it: the first of these that the evidence has. */
const LAYOUTS: readonly Layout[] = [
  { root: FILE.statement, signature: FILE.statementSignature },
  { root: FILE.receipt, signature: FILE.receiptSignature },
  { root: FILE.origin, signature: FILE.originSignature },
  { root: FILE.originO, signature: FILE.originOSignature },
  { root: FILE.originR, signature: FILE.originRSignature },
  CONTRACT,
];

function layoutOf(names: readonly string[]): Layout {
  return LAYOUTS.find(({ root }) => names.includes(root)) ?? CONTRACT;
}

/** Name in the folder → name in the container. */
function containerName(name: string, { root, signature }: Layout): string {
  if (name === signature) return SIGNATURE;
  return name === root ? name : `${OWN}${name}`;
}

function folderName(name: string, { signature }: Layout): string {
  if (name === SIGNATURE) return signature;
  return name.startsWith(OWN) ? name.slice(OWN.length) : name;
}

/** 1980-01-01 00:00 local time, which is how ZIP counts: the same bytes in every time zone. */
const ZERO_TIME = () => new Date(1980, 0, 1);

/** The container with these files (as `buildEvidence`, `buildDelivery` or `buildSwap` orders and names them). */
export function writeAsics(files: readonly EvidenceFile[]): Uint8Array {
  const layout = layoutOf(files.map((file) => file.name));
  const named = files.map(({ name, data }) => ({ name: containerName(name, layout), data }));
  const rank = ({ name }: EvidenceFile) => [layout.root, SIGNATURE].indexOf(name) >>> 0;
  const ordered = [MIMETYPE, ...named.sort((a, b) => rank(a) - rank(b))];
  assert(new Set(ordered.map((file) => file.name)).size === ordered.length, 'each file once');
  const entries: Zippable = {};
  for (const { name, data } of ordered) {
    assert(/^[\x20-\x7e]{1,200}$/.test(name) && !/^\d+$/.test(name), 'a name that ZIP keeps in order and as it is');
    entries[name] = [data, { level: 0, mtime: ZERO_TIME(), os: 0, attrs: 0 }];
  }
  return zipSync(entries);
}

/** The files of a container under their folder names, or null if it is not one that `writeAsics` makes. */
export function readAsics(bytes: Uint8Array): readonly EvidenceFile[] | null {
  if (bytes.length > ASICS_MAX_BYTES) return null;
  let found: Record<string, Uint8Array>;
  try {
    let files = 0;
    let size = 0;
    found = unzipSync(bytes, {
      filter(file) {
        files += 1;
        size += file.size;
        // Entries that overlap or that would have to be inflated are refused before they cost anything.
        if (file.compression !== 0 || files > MAX_FILES || size > bytes.length) throw new RangeError('not a container');
        return true;
      },
    });
    const { [MIMETYPE.name]: mimetype, ...rest } = found;
    const layout = layoutOf(Object.keys(rest));
    const list = Object.entries(rest).map(([name, data]) => ({ name: folderName(name, layout), data }));
    return mimetype !== undefined && equal(writeAsics(list), bytes) ? list : null;
  } catch {
    // Whatever a ZIP reader or our own writer dislikes about it: it is not a container of ours.
    return null;
  }
}
