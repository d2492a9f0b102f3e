/**
 * The content that a note names, as the verdict shows it, and held against files that somebody has. Guarantee: a file counts as
 * compared only if name, size and digest are those of one that the note names; one that is none of them makes the verdict
 * negative.
 */
import { CHUNK_BYTES, contentLeaf, createRoot, SALT_BYTES } from '../crypto/content.ts';
import {
  type CredentialView,
  credentialView,
  describeCredential,
  MAX_CREDENTIAL_BYTES,
  textKindOf,
} from '../exchange/credential.ts';
import type { ContentTerms, Terms } from '../exchange/terms.ts';
import { toHex } from '../lib/bytes.ts';
import { isFitError } from '../lib/errors.ts';
import type { Verdict, VerdictContent, VerdictFile } from './verdict.ts';

/** So many bytes of a file tell whether it is a credential. */
export const CREDENTIAL_ENOUGH = MAX_CREDENTIAL_BYTES + 1;

/** What a note names: the author's content, then that of the other side, if both give. */
export function contentsIn({ parties, content, other }: Terms): Pick<Verdict, 'contents' | 'files'> {
  const given = [
    { party: parties[0], of: content },
    { party: parties[1], of: other },
  ].flatMap(({ party, of }): { from: string; of: ContentTerms }[] => (of === null ? [] : [{ from: party.role, of }]));
  return {
    contents: given.map(({ from, of }): VerdictContent => {
      return { from, root: toHex(of.root), credential: of.credential === null ? null : credentialView(of.credential) };
    }),
    files: given.flatMap(({ from, of }) =>
      of.files.map(({ name, size, sha256 }): VerdictFile => {
        return { name, size, sha256: toHex(sha256), from, compared: false };
      }),
    ),
  };
}

/** What was delivered, next to what the user has. */
export interface GivenFile {
  readonly name: string;
  readonly size: number;
  /** Hex. */
  readonly sha256: string;
}

const isFile =
  (one: GivenFile) =>
  ({ name, size, sha256 }: GivenFile): boolean =>
    name === one.name && size === one.size && sha256 === one.sha256;

/** The verdict with these files compared: each must be one that the note names. */
export function compareContent(verdict: Verdict, given: readonly GivenFile[]): Verdict {
  if (!verdict.ok) return verdict;
  const other = given.find((one) => !verdict.files.some(isFile(one)));
  const files = verdict.files.map((file) => {
    return { ...file, compared: other === undefined && given.some(isFile(file)) };
  });
  if (other === undefined) return { ...verdict, files };
  const named = verdict.files.some(({ name }) => name === other.name);
  const message = named ? `${other.name} is not the file that the note names` : `the note names no file ${other.name}`;
  return { ...verdict, ok: false, files, problem: { code: 'other-content', message } };
}

/** The root of content and of the salts of its chunks, which `fill` reads from their file (PROTOCOL §8). */
export async function rootOfContent(
  content: AsyncIterable<Uint8Array>,
  fill: (salt: Uint8Array, position: number) => Promise<void>,
): Promise<Uint8Array> {
  const root = createRoot('content');
  const chunk = new Uint8Array(CHUNK_BYTES);
  let [index, filled] = [0, 0];
  const add = async (): Promise<void> => {
    const salt = new Uint8Array(SALT_BYTES);
    await fill(salt, index * SALT_BYTES);
    root.add(contentLeaf(index, salt, chunk.subarray(0, filled)));
    index += 1;
    filled = 0;
  };
  for await (const part of content)
    for (let at = 0; at < part.length; ) {
      const taken = part.subarray(at, at + CHUNK_BYTES - filled);
      chunk.set(taken, filled);
      filled += taken.length;
      at += taken.length;
      if (filled === CHUNK_BYTES) await add();
    }
  if (filled > 0 || index === 0) await add();
  return root.root();
}

/**
 * The verdict on a sender that described its content wrongly: `root` is that of the files that the other side has and of their
 * salts. The sender signed that root together with a note that names another digest of one of them.
 */
export function judgeDescription(verdict: Verdict, root: Uint8Array): Verdict {
  const signed = verdict.contents.some((one) => one.root === toHex(root));
  if (verdict.problem?.code !== 'other-content' || !signed) return verdict;
  const message = `the sender signed the root of exactly these files, and a note that says otherwise: ${verdict.problem.message}`;
  return { ...verdict, problem: { code: 'misdescribed', message } };
}

/**
 * The verdict on a sender that called a file a credential that it is not: `bytes` are those of a file that was compared, the
 * only one of the content of `from`.
 */
export function judgeCredential(verdict: Verdict, from: string, bytes: Uint8Array): Verdict {
  const credential = verdict.contents.find((one) => one.from === from)?.credential ?? null;
  if (!verdict.ok || credential === null) return verdict;
  let found: CredentialView | null = null;
  try {
    found = credentialView(describeCredential(bytes, textKindOf(credential)));
  } catch (error) {
    if (!isFitError(error)) throw error;
  }
  // Both were made by credentialView, so their fields come in one order.
  if (JSON.stringify(found) === JSON.stringify(credential)) return verdict;
  const message = 'the sender signed for this file, and a note that calls it a credential that it is not';
  return { ...verdict, ok: false, problem: { code: 'misdescribed', message } };
}
