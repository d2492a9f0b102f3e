/** The parts of evidence as its files hold them: read strictly, not yet believed. */
import { type Certificate, parseCertificate } from '../crypto/pki/certificate.ts';
import { fromPem } from '../crypto/pki/pem.ts';
import { type LogEntry, parseLog } from '../exchange/log.ts';
import { decodeRecord, type ExchangeRecord } from '../exchange/record.ts';
import { fromUtf8 } from '../lib/bytes.ts';
import { decode, read } from '../lib/cbor.ts';
import { type EvidenceFile, FILE, type Proof } from './bundle.ts';
import { refuse } from './verdict.ts';

const ANSWER_MAX_BYTES = 32 * 1024;

export interface CommonParts {
  readonly certificates: readonly Certificate[];
  readonly log: readonly LogEntry[] | null;
  readonly answer: { readonly record: ExchangeRecord; readonly bytes: Uint8Array } | null;
}

export interface Parts extends CommonParts {
  readonly document: Uint8Array;
  readonly proof: Proof;
  readonly attachments: readonly EvidenceFile[];
}

export function fileOf(files: readonly EvidenceFile[], name: string): Uint8Array | undefined {
  return files.find((file) => file.name === name)?.data;
}

function readAnswer(file: Uint8Array): Parts['answer'] {
  const [record, bytes] = read.array(decode(file, ANSWER_MAX_BYTES), 2, 'answer');
  return {
    record: decodeRecord(read.blob(record, ANSWER_MAX_BYTES, 'record')),
    bytes: read.blob(bytes, ANSWER_MAX_BYTES, 'answer'),
  };
}

export function neededFile(files: readonly EvidenceFile[], name: string): Uint8Array {
  return fileOf(files, name) ?? refuse('missing-file', `${name} is missing`);
}

/** What evidence of every kind has. Throws as `partsOf` does. */
export function commonParts(files: readonly EvidenceFile[]): CommonParts {
  const log = fileOf(files, FILE.log);
  const answer = fileOf(files, FILE.answer);
  let pem: string;
  try {
    pem = fromUtf8(neededFile(files, FILE.certificates));
  } catch (error) {
    if (error instanceof RangeError) return refuse('bad-certificates', 'certificates.pem is not text');
    throw error;
  }
  return {
    certificates: fromPem(pem, 'CERTIFICATE').map(parseCertificate),
    log: log === undefined ? null : parseLog(log),
    answer: answer === undefined ? null : readAnswer(answer),
  };
}

/** Throws `Refused`, `PeerFault` or `FitError` for what is missing or malformed. */
export function partsOf(files: readonly EvidenceFile[]): Parts {
  const text = fileOf(files, FILE.statement);
  return {
    document: neededFile(files, FILE.document),
    proof:
      text === undefined
        ? { kind: 'contract', p7s: neededFile(files, FILE.signature) }
        : { kind: 'affidavit', text, p7s: neededFile(files, FILE.statementSignature) },
    ...commonParts(files),
    attachments: files
      .filter((file) => file.name.startsWith(FILE.attachments))
      .map(({ name, data }) => ({ name: name.slice(FILE.attachments.length), data })),
  };
}
