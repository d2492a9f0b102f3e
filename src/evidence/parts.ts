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

export interface Parts {
  readonly document: Uint8Array;
  readonly proof: Proof;
  readonly certificates: readonly Certificate[];
  readonly log: readonly LogEntry[] | null;
  readonly attachments: readonly EvidenceFile[];
  readonly answer: { readonly record: ExchangeRecord; readonly bytes: Uint8Array } | null;
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

/** Throws `Refused`, `PeerFault` or `FitError` for what is missing or malformed. */
export function partsOf(files: readonly EvidenceFile[]): Parts {
  const needed = (name: string) => fileOf(files, name) ?? refuse('missing-file', `${name} is missing`);
  const text = fileOf(files, FILE.statement);
  const log = fileOf(files, FILE.log);
  const answer = fileOf(files, FILE.answer);
  let pem: string;
  try {
    pem = fromUtf8(needed(FILE.certificates));
  } catch (error) {
    if (error instanceof RangeError) return refuse('bad-certificates', 'certificates.pem is not text');
    throw error;
  }
  return {
    document: needed(FILE.document),
    proof:
      text === undefined
        ? { kind: 'contract', p7s: needed(FILE.signature) }
        : { kind: 'affidavit', text, p7s: needed(FILE.statementSignature) },
    certificates: fromPem(pem, 'CERTIFICATE').map(parseCertificate),
    log: log === undefined ? null : parseLog(log),
    attachments: files
      .filter((file) => file.name.startsWith(FILE.attachments))
      .map(({ name, data }) => ({ name: name.slice(FILE.attachments.length), data })),
    answer: answer === undefined ? null : readAnswer(answer),
  };
}
