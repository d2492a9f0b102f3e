/**
 * The authority on evidence (DESIGN §8): says of an `.asics` container, of the files of a folder or of a plain signature with
 * its document whether it is a contract, a delivery, a swap or a transfer, who signed it, and what is wrong first. Offline, without keys,
 * home or daemon.
 *
 * Guarantees: input of any kind gives a verdict, never an exception; `ok` only if both parties that the document names signed
 * these bytes, each with the certificate named, at one time before the deadline, valid at that time, and nothing in the
 * evidence differs from what it must be.
 */
import { equal } from '../lib/bytes.ts';
import { readAsics, writeAsics } from './asics.ts';
import type { EvidenceFile, Proof } from './bundle.ts';
import { problemOf } from './checks.ts';
import { fileOf, type Parts } from './parts.ts';
import { type EvidenceKind, NOTHING, refuse, type Verdict, type VerifyOptions } from './verdict.ts';
import { CONTRACT, judgeContract } from './verify-contract.ts';
import { DELIVERY } from './verify-delivery.ts';
import { SWAP } from './verify-swap.ts';
import { TRANSFER } from './verify-transfer.ts';

export type { Known, Verdict, VerdictFile, VerdictSigner, VerifyOptions } from './verdict.ts';

/** Told by the files that they alone have. */
const KINDS: readonly EvidenceKind[] = [SWAP, TRANSFER, DELIVERY];

/** The exchange is void; what was sent is wrong. */
const AGAINST: readonly string[] = ['void', 'wrong-content'];

/** Whether the evidence is what its own contents make: no other file, no other order, no other text. */
function checkFiles(files: readonly EvidenceFile[], container: Uint8Array | null, made: readonly EvidenceFile[]): void {
  for (const { name, data } of made) {
    const found = fileOf(files, name);
    if (found === undefined || !equal(found, data)) refuse('altered', `${name} is not what it must be`);
  }
  if (made.length !== files.length) refuse('altered', 'there are files that do not belong to the evidence');
  if (container !== null && !equal(writeAsics(made), container)) refuse('altered', 'the container is altered');
}

/** The verdict on the files of a folder, by their names in it (those in `FILE`, and attachments). */
export function verifyFiles(files: readonly EvidenceFile[], options: VerifyOptions = {}): Verdict {
  return verifyAll({ ...NOTHING, type: 'files' }, files, null, options);
}

function verifyAll(
  base: Verdict,
  files: readonly EvidenceFile[],
  container: Uint8Array | null,
  options: VerifyOptions,
): Verdict {
  try {
    const kind = KINDS.find((one) => one.is(files)) ?? CONTRACT;
    const { verdict, made } = kind.judge(base, files, options);
    // What stands against somebody is believed of whole evidence only, as that it is good.
    if (!verdict.ok && !AGAINST.includes(verdict.problem?.code ?? '')) return verdict;
    try {
      checkFiles(files, container, made());
    } catch (error) {
      return { ...verdict, ok: false, problem: problemOf(error) };
    }
    return verdict;
  } catch (error) {
    return { ...base, problem: problemOf(error) };
  }
}

/** The verdict on a file: a container, or a signature with `options.content`. */
export function verifyEvidence(bytes: Uint8Array, options: VerifyOptions = {}): Verdict {
  const problem = (code: string, message: string) => ({ problem: { code, message } });
  if (bytes[0] === 0x50 && bytes[1] === 0x4b) {
    const base: Verdict = { ...NOTHING, type: 'asics' };
    const files = readAsics(bytes);
    return files === null
      ? { ...base, ...problem('altered', 'the container is incomplete or altered') }
      : verifyAll(base, files, bytes, options);
  }
  if (bytes[0] !== 0x30)
    return { ...NOTHING, ...problem('unknown-type', 'neither evidence of a deal nor a signature') };
  const base: Verdict = { ...NOTHING, type: 'p7s' };
  const { content } = options;
  if (content === undefined)
    return { ...base, ...problem('no-content', 'a signature alone proves nothing: the signed document is needed') };
  const proof: Proof = { kind: 'contract', p7s: bytes };
  const parts: Parts = { document: content, proof, certificates: [], log: null, attachments: [], answer: null };
  return judgeContract(base, parts, options);
}
