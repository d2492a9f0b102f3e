/**
 * What folders of a container ask for, and whether it is there (fit-container(5)). Guarantees: an attribute is in the folder's
 * hash, so that it cannot be taken away without changing everything above; what a folder asks for and does not have refuses
 * it with all that is in it, in one sentence; every attribute is checked, and one that is not known is no attribute.
 */
import { sha256 } from '../crypto/hash.ts';
import { verifyOnce } from '../crypto/one-time.ts';
import type { Certificate } from '../crypto/pki/certificate.ts';
import { verifySignedData } from '../crypto/pki/cms.ts';
import { verifyTimestamp } from '../crypto/pki/timestamp.ts';
import { present, unreachable } from '../lib/assert.ts';
import { fromHex, toHex, utf8 } from '../lib/bytes.ts';
import { isoTime } from '../lib/clock.ts';
import {
  type Attribute,
  type CredentialRecord,
  decodeRecord,
  recordHash,
  type Seal,
  type StatementRecord,
} from './container-format.ts';
import { inlineFault } from './container-items.ts';
import { pathOf, type Tree, type TreeNode } from './container-tree.ts';

/** What a statement about a folder of a container names. */
export interface Package {
  /** Hash of the container, hex. */
  readonly container: string;
  /** Within the container; empty for all of it. */
  readonly path: string;
  /** Hash of the folder, hex. */
  readonly folder: string;
  readonly leaves: number;
  readonly bytes: number;
}

/** The attributes for which somebody signs a text. */
export type Stated = 'signed' | 'receipt' | 'anonymous';

const TEXTS: Readonly<Record<Stated, string>> = {
  signed: `Statement of origin (fit container, version 1)

The package named below, with all that is in it, comes from me.

`,
  receipt: `Receipt (fit container, version 1)

I have received the package named below, with all that is in it.

`,
  anonymous: `Statement of one origin (fit container, version 1)

The package named below, with all that is in it, comes from one hand. The key
that signs this has signed nothing else, and is no longer anybody's.

`,
};

/** What is signed for an attribute: a pure function of the folder and the time, so that whoever checks it builds the same. */
export function packageStatement(attribute: Stated, about: Package, time: number): string {
  const lines: readonly (readonly [string, string])[] = [
    ['container', about.container],
    ['path', about.path === '' ? '.' : about.path],
    ['package', about.folder],
    ['files', String(about.leaves)],
    ['bytes', String(about.bytes)],
    ['signing time', isoTime(time)],
  ];
  return TEXTS[attribute] + lines.map(([name, value]) => `${`${name}:`.padEnd(14)}${value}\n`).join('');
}

export function packageOf(tree: Tree, index: number): Package {
  const { record } = present(tree.nodes[index], 'folder');
  const folder = decodeRecord(record);
  return {
    container: toHex(tree.root),
    path: pathOf(tree.nodes, index),
    folder: toHex(recordHash(record)),
    leaves: folder.kind === 'folder' ? folder.leaves : 1,
    bytes: folder.kind === 'folder' ? folder.bytes : 0,
  };
}

/** Who signed a folder. */
export interface PackageSigner {
  readonly name: string;
  /** SHA-256 of the certificate, hex. */
  readonly fingerprint: string;
  /** Seconds since 1970. */
  readonly time: number;
}

export interface Verdicts {
  /** Index → why it is refused, for itself or with the folder that it is in. */
  readonly refused: ReadonlyMap<number, string>;
  readonly signers: ReadonlyMap<number, PackageSigner>;
  /** Index → when an authority saw the folder, seconds since 1970. */
  readonly stamps: ReadonlyMap<number, number>;
}

export interface Demands {
  /** Seconds since 1970: credentials are judged now. */
  readonly now: number;
  /** Signed folders must be signed with this certificate (SHA-256, hex). */
  readonly signer?: string;
  /** Whose timestamps are believed. */
  readonly authorities?: readonly Certificate[];
  /** Receipts are given, or only the tree is looked at. */
  readonly receipts?: boolean;
  /** What the encrypted folder that this was in asks for, and the folders above it. */
  readonly above?: readonly Attribute[];
}

type Found = { readonly fault: string } | { readonly signer: PackageSigner } | { readonly stamp: number } | null;

function checkSigned(about: Package, seal: Seal, demands: Demands): Found {
  const text = utf8(packageStatement('signed', about, seal.time));
  const result = verifySignedData(seal.bytes, sha256(text));
  if (!result.ok) return { fault: `its signature does not hold: ${result.message}` };
  const [one, ...more] = result.signers;
  if (one === undefined || more.length > 0) return { fault: 'it is signed by more than one' };
  const { certificate, signingTime } = one;
  if (signingTime !== seal.time) return { fault: 'its signature names another time' };
  if (signingTime < certificate.notBefore || signingTime > certificate.notAfter)
    return { fault: 'it was signed at a time at which the certificate was not valid' };
  const fingerprint = toHex(certificate.hash);
  if (demands.signer !== undefined && demands.signer !== fingerprint)
    return { fault: 'it is signed by somebody else than was asked for' };
  return { signer: { name: certificate.subject, fingerprint, time: signingTime } };
}

function checkTimestamped(about: Package, seal: Seal, { authorities = [] }: Demands): Found {
  if (authorities.length === 0) return { fault: 'it is timestamped, and no authority is named that you believe' };
  const result = verifyTimestamp(seal.bytes, { digest: fromHex(about.folder), authorities });
  if (!result.ok) return { fault: `its timestamp does not hold: ${result.message}` };
  return result.timestamp.time === seal.time
    ? { stamp: seal.time }
    : { fault: 'its timestamp is of another time than it says' };
}

function checkAttribute(attribute: Attribute, about: Package, seal: Seal | undefined, demands: Demands): Found {
  switch (attribute) {
    case 'signed':
      return seal === undefined ? { fault: 'it must be signed and is not' } : checkSigned(about, seal, demands);
    case 'anonymous':
      if (seal === undefined) return { fault: 'it must be under a one-time key and is not' };
      return verifyOnce(utf8(packageStatement('anonymous', about, seal.time)), seal.bytes)
        ? null
        : { fault: 'its one-time key has not signed it' };
    case 'timestamped':
      return seal === undefined
        ? { fault: 'it must be timestamped and is not' }
        : checkTimestamped(about, seal, demands);
    case 'receipt':
      return demands.receipts === true ? null : { fault: 'it is given for a signed receipt only' };
    case 'encrypted':
      // By what is in it: see sealingFault.
      return null;
    default:
      return unreachable(attribute);
  }
}

/** A million files need not be decoded again. */
function decodeIfInline({ kind, record }: TreeNode): StatementRecord | CredentialRecord | null {
  if (kind !== 'statement' && kind !== 'credential') return null;
  const decoded = decodeRecord(record);
  return decoded.kind === 'statement' || decoded.kind === 'credential' ? decoded : null;
}

/** Folders that cannot be in one line: why not, or null. */
export function contradictionOf(
  nodes: readonly Pick<TreeNode, 'parent' | 'attributes'>[],
  index: number,
  outside: readonly Attribute[] = [],
): string | null {
  const own = nodes[index]?.attributes ?? [];
  if (own.includes('signed') && own.includes('anonymous')) return 'it cannot be signed and anonymous';
  const above = new Set([...outside, ...attributesAbove(nodes, index)]);
  if (own.includes('anonymous') && above.has('signed')) return 'it is anonymous in something signed';
  if (own.includes('signed') && above.has('anonymous')) return 'it is signed in something anonymous';
  return own.includes('encrypted') && above.has('encrypted') ? 'it is encrypted in something encrypted' : null;
}

/** What the folders that it is in ask for. */
export function attributesAbove(
  nodes: readonly Pick<TreeNode, 'parent' | 'attributes'>[],
  index: number,
): readonly Attribute[] {
  const found: Attribute[] = [];
  for (let at = nodes[index]?.parent ?? -1; at >= 0; at = nodes[at]?.parent ?? -1)
    found.push(...(nodes[at]?.attributes ?? []));
  return found;
}

/** An encrypted folder shows what is sealed and nothing besides, and nothing else shows that. */
function sealingFault(nodes: readonly TreeNode[], index: number): string | null {
  const node = present(nodes[index], 'node');
  if (node.kind === 'sealed')
    return nodes[node.parent]?.attributes.includes('encrypted') === true
      ? null
      : 'it is sealed in a folder that is not encrypted';
  if (!node.attributes.includes('encrypted')) return null;
  const folder = decodeRecord(node.record);
  const only = nodes[index + 1];
  const isSealed = only?.parent === index && (only.kind === 'sealed' || only.kind === 'hidden');
  return folder.kind === 'folder' && folder.count === 1 && isSealed ? null : 'it must be encrypted and is not';
}

function ownFault(nodes: readonly TreeNode[], index: number, { now, above }: Demands): string | null {
  const node = present(nodes[index], 'node');
  if (node.kind === 'sealed') return sealingFault(nodes, index);
  if (node.kind === 'folder')
    return node.attributes.length === 0 ? null : (contradictionOf(nodes, index, above) ?? sealingFault(nodes, index));
  const record = decodeIfInline(node);
  return record === null ? null : inlineFault(record, now);
}

/** Throws nothing: whatever is wrong is a sentence about the folder concerned. */
export function judge(tree: Tree, seals: readonly Seal[], demands: Demands): Verdicts {
  const refused = new Map<number, string>();
  const signers = new Map<number, PackageSigner>();
  const stamps = new Map<number, number>();
  const byFolder = new Map(seals.map((seal) => [`${toHex(seal.folder)} ${seal.attribute}`, seal]));
  const refuse = (index: number, why: string): void => {
    if (!refused.has(index)) refused.set(index, why);
  };
  for (const [index, node] of tree.nodes.entries()) {
    if (refused.has(node.parent)) {
      refused.set(index, `${pathOf(tree.nodes, node.parent) || 'the container'}, which it is in, is refused`);
      continue;
    }
    const fault = tree.faults.get(index) ?? ownFault(tree.nodes, index, demands);
    if (fault !== null) refuse(index, fault);
    if (node.attributes.length === 0 || fault !== null) continue;
    const about = packageOf(tree, index);
    for (const attribute of node.attributes) {
      const found = checkAttribute(attribute, about, byFolder.get(`${about.folder} ${attribute}`), demands);
      if (found === null) continue;
      if ('fault' in found) refuse(index, found.fault);
      else if ('stamp' in found) stamps.set(index, found.stamp);
      else signers.set(index, found.signer);
    }
  }
  return { refused, signers, stamps };
}
