/** What the READMEs of evidence of content have in common: how openssl alone checks statements, and what it cannot know. */

const VERIFY = 'openssl cms -verify -cades -binary -inform der';
const OWN = 'META-INF/fit/';

function command(signature: string, content: string, certificates: string): readonly string[] {
  return [`  ${VERIFY} -in ${signature} \\`, `    -content ${content} -CAfile ${certificates} -out /dev/null`];
}

/**
 * `note`: its file; `called`: as the statements call it. `statements`: names without ending; in a container the first one is
 * the object that is signed (ASiC-S), and the others lie with the rest.
 */
export function statementCommands(note: string, called: string, statements: readonly string[]): readonly string[] {
  return [
    'In a folder written by `fit deal export --dir`:',
    '',
    ...statements.flatMap((name) => command(`${name}.p7s`, `${name}.txt`, 'certificates.pem')),
    `  openssl dgst -sha256 ${note}`,
    '',
    'In a .asics file, after unpacking it with any ZIP program:',
    '',
    ...statements.flatMap((name, at) =>
      at === 0
        ? command('META-INF/signature.p7s', `${name}.txt`, `${OWN}certificates.pem`)
        : command(`${OWN}${name}.p7s`, `${OWN}${name}.txt`, `${OWN}certificates.pem`),
    ),
    `  openssl dgst -sha256 ${OWN}${note}`,
    '',
    'OpenSSL says "CAdES Verification successful" if a signature is good; the digest must be the',
    `one that the statements name as the ${called}. The note names each file by its SHA-256:`,
    '',
    '  openssl dgst -sha256 FILE',
  ];
}

export const README_END: readonly string[] = [
  '',
  'certificates.pem shows that the evidence is whole. Whose certificates they are, only you can',
  'know: compare the SHA-256 values above with those the parties gave you.',
  '',
  'OpenSSL checks certificates as of now. For certificates that have expired since, add',
  '`-attime SECONDS` with the signing time that the statements name.',
  '',
];
