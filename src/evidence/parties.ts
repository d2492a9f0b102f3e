/** Who stands in a record, from the certificates that evidence carries. */
import type { Certificate } from '../crypto/pki/certificate.ts';
import { asDescribed, type Parties } from '../exchange/contract.ts';
import { type Document, exchangeTerms } from '../exchange/document.ts';
import { type ExchangeRecord, encodeRecord } from '../exchange/record.ts';
import { equal } from '../lib/bytes.ts';
import { refuse } from './verdict.ts';

/** Whether the record is the one that the document describes, whatever its originator chose freely. */
export function checkRecord(document: Document, record: ExchangeRecord): void {
  if (!equal(encodeRecord(asDescribed(record, exchangeTerms(document))), encodeRecord(record)))
    refuse('wrong-record', 'the record of the exchange is not that of the document');
}

/** Throws `Refused('bad-certificates')` if one is missing. */
export function partiesIn(document: Document, record: ExchangeRecord, certificates: readonly Certificate[]): Parties {
  const find = (hash: Uint8Array) =>
    certificates.find((one) => equal(one.hash, hash)) ??
    refuse('bad-certificates', 'the certificate of somebody whom the document names is missing');
  const arbiter = document.terms.arbiter ?? refuse('bad-document', 'a transfer has no arbiter and no exchange');
  return {
    O: { certificate: find(record.originator), verifier: record.verifierO },
    R: { certificate: find(record.responder), verifier: record.verifierR },
    // The arbiter's KEM key has done its work; no check of evidence needs it.
    T: { certificate: find(arbiter.certificate), kem: new Uint8Array(32), terms: arbiter.terms },
  };
}
