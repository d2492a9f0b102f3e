/**
 * The arbiter's statement in affidavit mode (PROTOCOL §9): a short text generated from X and both signed promises, signed by
 * the arbiter as detached CMS. It stands for the signatures of both parties if the document says so (`AFFIDAVIT_CLAUSE`).
 *
 * Guarantees: the text has one form per X and pair of promises; a third person with the three certificates checks it without
 * `fit`'s help; the arbiter alone cannot make one, because both promises must verify; a promise alone is never enough.
 */
import { signP256 } from '../crypto/ecdsa.ts';
import { sha256 } from '../crypto/hash.ts';
import type { Certificate } from '../crypto/pki/certificate.ts';
import { assembleSignedData, signedAttributes, verifySignedData } from '../crypto/pki/cms.ts';
import { compare, equal, fromHex, fromUtf8, toHex, utf8 } from '../lib/bytes.ts';
import { PeerFault } from '../lib/errors.ts';
import type { Parties } from './frame.ts';
import { checkAffidavitPromise, type SigningKey } from './promise.ts';
import { decodeRecord, type ExchangeRecord, encodeRecord, xidOf } from './record.ts';
import type { Promises } from './requests.ts';

/** A document whose exchange runs in affidavit mode must contain this sentence and name the arbiter's certificate. */
export const AFFIDAVIT_CLAUSE = 'a promise alone binds nobody';

const STATEMENT_MAX_BYTES = 4096;

/** The exact text, UTF-8 with LF. */
export function statementText(record: ExchangeRecord, promises: Promises): Uint8Array {
  return utf8(
    [
      'fit affidavit 1',
      '',
      'The arbiter named below states: before the time limit of the record below I was shown a promise of',
      'each party, signed with the key of its certificate, to sign the document named below through me.',
      'By the terms of that document this statement, together with both promises, stands for the',
      `signatures of both parties, and ${AFFIDAVIT_CLAUSE}.`,
      '',
      `deal: ${record.deal}`,
      `document: ${toHex(record.document)}`,
      `originator: ${toHex(record.originator)}`,
      `responder: ${toHex(record.responder)}`,
      `arbiter: ${toHex(record.arbiter)}`,
      `exchange: ${toHex(xidOf(record))}`,
      `record: ${toHex(encodeRecord(record))}`,
      `promise of the originator: ${toHex(promises.O)}`,
      `promise of the responder: ${toHex(promises.R)}`,
      '',
    ].join('\n'),
  );
}

/** The arbiter's part, after `promisesStand`. `now`: its clock at receipt of the request, in seconds. */
export function makeStatement(
  record: ExchangeRecord,
  parties: Parties,
  promises: Promises,
  key: SigningKey,
  now: number,
): Uint8Array {
  const attributes = signedAttributes({
    digest: sha256(statementText(record, promises)),
    signingTime: now,
    certificateHash: parties.T.certificate.hash,
  });
  const signature = signP256(key, attributes);
  return assembleSignedData([{ certificate: parties.T.certificate, signedAttributes: attributes, signature }]);
}

/** Whether both are the signed promises of this exchange: what the arbiter checks in place of opening escrows. */
export function promisesStand(record: ExchangeRecord, parties: Parties, promises: Promises): boolean {
  try {
    checkAffidavitPromise(record, 'O', promises.O, parties);
    checkAffidavitPromise(record, 'R', promises.R, parties);
    return true;
  } catch (error) {
    if (error instanceof PeerFault) return false;
    throw error;
  }
}

/** The text and the arbiter's detached CMS signature on it. */
export interface Affidavit {
  readonly text: Uint8Array;
  readonly signature: Uint8Array;
}

function field(lines: readonly string[], name: string): Uint8Array {
  const line = lines.find((one) => one.startsWith(`${name}: `));
  if (line === undefined) throw new PeerFault('malformed', `statement: no ${name}`);
  try {
    return fromHex(line.slice(name.length + 2));
  } catch (error) {
    throw new PeerFault('malformed', `statement: ${name}`, { cause: error });
  }
}

/** Reads a statement back: throws `PeerFault('malformed')` unless it is exactly the text that its own contents make. */
export function parseStatement(text: Uint8Array): { readonly record: ExchangeRecord; readonly promises: Promises } {
  if (text.length > STATEMENT_MAX_BYTES) throw new PeerFault('oversized', 'statement');
  let lines: readonly string[];
  try {
    lines = fromUtf8(text).split('\n');
  } catch (error) {
    throw new PeerFault('malformed', 'statement: not UTF-8', { cause: error });
  }
  const record = decodeRecord(field(lines, 'record'));
  const promises = { O: field(lines, 'promise of the originator'), R: field(lines, 'promise of the responder') };
  if (compare(statementText(record, promises), text) !== 0)
    throw new PeerFault('malformed', 'statement: not the text of its record');
  return { record, promises };
}

/**
 * A third person's check: the statement is the arbiter's, about this document, with both parties' promises. That the document
 * contains the clause and names the arbiter is for its reader to check. `certificates` are the three, known by other means
 * or embedded. Returns the record; throws `PeerFault`.
 */
export function verifyAffidavit(
  affidavit: Affidavit,
  document: Uint8Array,
  certificates: { readonly O: Certificate; readonly R: Certificate; readonly T: Certificate },
): ExchangeRecord {
  const { record, promises } = parseStatement(affidavit.text);
  if (record.mode !== 'affidavit') throw new PeerFault('bad-record', 'statement: another mode');
  if (!equal(record.document, document)) throw new PeerFault('bad-record', 'statement: about another document');
  const named =
    equal(record.originator, certificates.O.hash) &&
    equal(record.responder, certificates.R.hash) &&
    equal(record.arbiter, certificates.T.hash);
  if (!named) throw new PeerFault('bad-record', 'statement: about other parties');
  const parties: Parties = {
    O: { certificate: certificates.O, verifier: record.verifierO },
    R: { certificate: certificates.R, verifier: record.verifierR },
    T: { certificate: certificates.T, kem: new Uint8Array(32), terms: record.terms },
  };
  if (!promisesStand(record, parties, promises))
    throw new PeerFault('bad-signature', 'statement: a promise is not signed');
  const verdict = verifySignedData(affidavit.signature, sha256(affidavit.text));
  if (!verdict.ok) throw new PeerFault('bad-signature', `statement: ${verdict.code}`);
  const [signer, ...more] = verdict.signers;
  if (signer === undefined || more.length > 0 || !equal(signer.certificate.hash, certificates.T.hash))
    throw new PeerFault('bad-signature', 'statement: not signed by the arbiter');
  if (signer.signingTime >= record.notAfter) throw new PeerFault('bad-record', 'statement: after the time limit');
  return record;
}
