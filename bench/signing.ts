/**
 * CMS signatures of documents by the code that the daemon signs statements with, beside `openssl cms -sign -cades`, which
 * has to be started for every document. There is no RPC method that signs alone: a daemon signs nothing outside an exchange.
 */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { signP256 } from '../src/crypto/ecdsa.ts';
import { sha256 } from '../src/crypto/hash.ts';
import { assembleSignedData, verifySignedData } from '../src/crypto/pki/cms.ts';
import { toPem } from '../src/crypto/pki/pem.ts';
import { template } from '../src/exchange/contract.ts';
import { assert } from '../src/lib/assert.ts';
import { median, medianRatio, nowMs } from './measure.ts';
import { makeMeeting } from './parties.ts';
import type { Row } from './report.ts';

const DOCUMENT_BYTES = 4096;
const BATCH = 400;
const PROCESSES = 20;
const ROUNDS = 5;

const LOOP = `i=0
while [ $i -lt ${PROCESSES} ]; do
  openssl cms -sign -cades -binary -md sha256 -in document -signer certificate.pem -inkey key.pem -outform der -out signed.p7s || exit 1
  i=$((i+1))
done`;

export async function measureSigning(folder: string): Promise<Row[]> {
  const { parties, keys, recordFor } = await makeMeeting();
  const { certificate } = parties.O;
  const documents = Array.from({ length: BATCH }, () => new Uint8Array(randomBytes(DOCUMENT_BYTES)));
  const base = recordFor(sha256(documents[0] as Uint8Array));
  const sign = (content: Uint8Array): Uint8Array => {
    const record = { ...base, document: sha256(content) };
    const { signedAttributes } = template(record, 'O', parties);
    return assembleSignedData([{ certificate, signedAttributes, signature: signP256(keys.O, signedAttributes) }]);
  };
  writeFileSync(join(folder, 'document'), documents[0] as Uint8Array);
  writeFileSync(join(folder, 'certificate.pem'), toPem('CERTIFICATE', certificate.der));
  writeFileSync(join(folder, 'key.pem'), keys.O.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });

  const ours: number[] = [];
  const theirs: number[] = [];
  // The first round warms both up.
  for (let round = 0; round <= ROUNDS; round += 1) {
    let start = nowMs();
    const signed = documents.map(sign);
    if (round > 0) ours.push((BATCH / (nowMs() - start)) * 1000);
    const verdict = verifySignedData(signed[0] as Uint8Array, sha256(documents[0] as Uint8Array));
    assert(verdict.ok, 'the signature holds');
    start = nowMs();
    // One shell for all, so that nothing but openssl is started anew.
    const done = spawnSync('sh', ['-c', LOOP], { cwd: folder, encoding: 'utf8' });
    if (done.error !== undefined || done.status !== 0) {
      return [
        { id: 'cms.rate', what: 'CMS signatures', value: median(ours), unit: '/s', note: 'openssl is not installed' },
      ];
    }
    if (round > 0) theirs.push((PROCESSES / (nowMs() - start)) * 1000);
  }
  return [
    {
      id: 'cms.rate',
      what: 'CMS signatures, 4 KiB documents',
      value: median(ours),
      unit: '/s',
      note: 'the daemon’s code, one thread',
    },
    {
      id: 'cms.openssl',
      what: 'openssl cms -sign -cades',
      value: median(theirs),
      unit: '/s',
      note: 'a process for each',
    },
    { id: 'cms.ratio', what: '  ours beside it', value: medianRatio(ours, theirs), unit: '×', least: 20 },
  ];
}
