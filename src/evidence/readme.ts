/**
 * The README of a contract's evidence: what each file is and how openssl alone checks it. A function of the document and of
 * the certificates, whose digest it names: what nobody concerned has signed (an issuer's certificate) cannot change unseen either.
 */
import { sha256 } from '../crypto/hash.ts';
import type { Document } from '../exchange/document.ts';
import { arbiterIn } from '../exchange/terms.ts';
import { toHex, utf8 } from '../lib/bytes.ts';
import { isoTime } from '../lib/clock.ts';

const VERIFY = 'openssl cms -verify -cades -binary -inform der';

function contractCommands(): readonly string[] {
  return [
    'In a folder written by `fit deal export --dir`:',
    '',
    `  ${VERIFY} -in contract.p7s \\`,
    '    -content contract.md -CAfile certificates.pem -out /dev/null',
    '',
    'In a .asics file, after unpacking it with any ZIP program:',
    '',
    `  ${VERIFY} -in META-INF/signature.p7s \\`,
    '    -content contract.md -CAfile META-INF/fit/certificates.pem -out /dev/null',
    '',
    'OpenSSL says "CAdES Verification successful" if both signatures are good.',
  ];
}

function affidavitCommands(): readonly string[] {
  return [
    'In a folder written by `fit deal export --dir`:',
    '',
    `  ${VERIFY} -in affidavit.p7s \\`,
    '    -content affidavit.txt -CAfile certificates.pem -out /dev/null',
    '  openssl dgst -sha256 contract.md',
    '',
    'In a .asics file, after unpacking it with any ZIP program:',
    '',
    `  ${VERIFY} -in META-INF/signature.p7s \\`,
    '    -content affidavit.txt -CAfile META-INF/fit/certificates.pem -out /dev/null',
    '  openssl dgst -sha256 META-INF/fit/contract.md',
    '',
    'OpenSSL says "CAdES Verification successful" if the statement is the arbiter\'s; the digest',
    'must be the one that affidavit.txt names as its document. `fit verify` also checks the',
    'signed promises of both parties, which the statement contains.',
  ];
}

/** `certificates`: the file of that name. */
export function readmeText(
  { terms, digest }: Document,
  proof: 'contract' | 'affidavit',
  certificates: Uint8Array,
): Uint8Array {
  const [author, addressee] = terms.parties;
  const contract = proof === 'contract';
  const lines = [
    'Evidence of a contract made with fit, the Fair Internet Trader',
    '',
    `deal      ${terms.deal}`,
    `document  SHA-256 ${toHex(digest)}`,
    `party     certificate SHA-256 ${toHex(author.certificate)}`,
    `party     certificate SHA-256 ${toHex(addressee.certificate)}`,
    ...(contract ? [] : [`arbiter   certificate SHA-256 ${toHex(arbiterIn(terms).certificate)}`]),
    `certificates.pem SHA-256 ${toHex(sha256(certificates))}`,
    `signed before ${isoTime(terms.notAfter)}`,
    '',
    'contract.md        the exact bytes that both parties saw and signed',
    ...(contract
      ? ['contract.p7s       both signatures (CMS, CAdES), in META-INF/signature.p7s of a .asics file']
      : [
          "affidavit.txt      the arbiter's statement: it had a signed promise of each party",
          "affidavit.p7s      the arbiter's signature on it, in META-INF/signature.p7s of a .asics file",
        ]),
    'certificates.pem   the certificates concerned, with their issuers as far as they are known',
    'log.jsonl          what went between the parties, each entry linked to what it answers',
    '',
    'To check it without fit',
    '',
    ...(contract ? contractCommands() : affidavitCommands()),
    '',
    'certificates.pem shows that the evidence is whole. Whose certificates they are, only you can',
    'know: compare the SHA-256 values above with those the parties gave you:',
    '',
    '  openssl x509 -noout -subject -fingerprint -sha256 -in certificates.pem',
    '',
    'OpenSSL checks certificates as of now. For certificates that have expired since, add',
    '`-attime SECONDS` with the signing time, which this shows:',
    '',
    `  openssl cms -cmsout -print -inform der -in ${contract ? 'contract' : 'affidavit'}.p7s`,
    '',
  ];
  return utf8(lines.join('\n'));
}
