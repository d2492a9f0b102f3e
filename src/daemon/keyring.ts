/**
 * The keys of one trader, on disk and in memory (DESIGN §5).
 *
 * On disk, all 0600 in a 0700 folder:
 *   signing.pem       the signing key, encrypted PKCS#8 that `openssl pkey` reads
 *   vault.sealed      archive key, verifier key, KEM keys, timestamping key, age key, under the same passphrase
 *   certificates.pem  the certificate chain, leaf first (public)
 *   transport.key     the Ed25519 seed of the PeerId: not under the passphrase, so that a locked daemon can be reached
 *   binding           both keys' signatures that PeerId and certificate belong together (public)
 *   spool.key         key of what a locked daemon must read: queues and prepared requests to the arbiter
 * Guarantees: secrets are in memory only while unlocked; a wrong passphrase changes nothing and is rate-limited; a change of
 * passphrase that is interrupted leaves one passphrase that opens everything.
 */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BINDING_MAX_BYTES, makeBinding } from '../commerce/binding.ts';
import { unwrapSecret, wrapSecret } from '../crypto/aead.ts';
import { generateAgeKey } from '../crypto/age.ts';
import { signControl } from '../crypto/control.ts';
import { generateKem } from '../crypto/kem.ts';
import { decryptPkcs8, encryptPkcs8, generateSigningKey } from '../crypto/keys.ts';
import { type Certificate, parseCertificate, selfSigned, selfSignedTimestamping } from '../crypto/pki/certificate.ts';
import { fromPem, toPem } from '../crypto/pki/pem.ts';
import { peerIdOf, signTransport } from '../crypto/transport.ts';
import { generateVerifierKey } from '../crypto/verifier-key.ts';
import { present } from '../lib/assert.ts';
import { equal } from '../lib/bytes.ts';
import { decode, read } from '../lib/cbor.ts';
import { type Clock, seconds } from '../lib/clock.ts';
import { FitError, isFitError } from '../lib/errors.ts';
import { createMutex } from '../lib/mutex.ts';
import type { Rng } from '../lib/rng.ts';
import { decodeVault, encodeVault, type TimestampKey, type Vault, wipeVault } from './vault.ts';

const CERTIFICATE_YEARS = 5;
/** Clocks differ: a new certificate is valid from an hour ago. */
const BACKDATE_SECONDS = 3600;
/** After this many wrong passphrases in a row each further one costs a wait that doubles. */
const FREE_ATTEMPTS = 5;
const LONGEST_WAIT_MS = 60_000;

export interface Secrets extends Vault {
  readonly signing: KeyObject;
}

export interface Keyring {
  readonly locked: boolean;
  /** Another number after every `lock` and change of passphrase: what was proven before counts no more. */
  readonly era: number;
  /** Leaf first. */
  readonly chain: readonly Certificate[];
  readonly transportSeed: Uint8Array;
  readonly spoolKey: Uint8Array;
  /** Sent on every connection, also while locked. */
  readonly binding: Uint8Array;
  /** Throws `FitError('locked')`. */
  secrets(): Secrets;
  /** Throws `wrong-passphrase` or `rate-limited`. */
  unlock(passphrase: string): Promise<void>;
  lock(): void;
  /** Proves the passphrase and changes nothing. */
  check(passphrase: string): Promise<void>;
  changePassphrase(old: string, fresh: string): Promise<void>;
  /** The signing key as it lies on disk. */
  encryptedKey(): string;
  /** Another certificate for the same key, or another key with its chain (then with the passphrase that protects it here). */
  replaceIdentity(
    chain: readonly Certificate[],
    key?: { readonly key: KeyObject; readonly passphrase: string },
  ): Promise<void>;
}

const files = (folder: string) => ({
  signing: join(folder, 'signing.pem'),
  vault: join(folder, 'vault.sealed'),
  certificates: join(folder, 'certificates.pem'),
  transport: join(folder, 'transport.key'),
  spool: join(folder, 'spool.key'),
  binding: join(folder, 'binding'),
});

/** Durable and whole: the new content replaces the old in one rename. */
function put(file: string, content: Uint8Array | string): void {
  writeFileSync(`${file}.new`, content, { mode: 0o600, flush: true });
  renameSync(`${file}.new`, file);
}

const certificatesPem = (chain: readonly Certificate[]): string =>
  chain.map((one) => toPem('CERTIFICATE', one.der)).join('');

export interface NewIdentity {
  readonly name: string;
  readonly passphrase: string;
  readonly arbiter: boolean;
  /** With a key for timestamps. */
  readonly timestamp?: boolean;
}

/** Of a daemon with the role; FitError('bad-config') if its keys were made without. */
export function timestampKeyOf(keyring: Keyring): TimestampKey {
  const { timestamp } = keyring.secrets();
  if (timestamp !== null) return timestamp;
  throw new FitError('bad-config', 'fit.toml: roles: this trader was made without a key for timestamps', {
    hint: 'make another one: fit init --role timestamp',
  });
}

/** As many characters as a name may have; the end of a long one is cut off. */
const STAMPER_NAME = 64;

function createTimestampKey(
  name: string,
  validity: { readonly notBefore: number; readonly notAfter: number },
): TimestampKey {
  const key = generateSigningKey();
  // A subject of its own, so that nobody who looks issuers up by name takes it for the identity.
  const subject = [...`Timestamps of ${name}`].slice(0, STAMPER_NAME).join('');
  return { key, certificate: parseCertificate(selfSignedTimestamping({ key, name: subject, ...validity })) };
}

function bindingOf(certificate: Certificate, signing: KeyObject, seed: Uint8Array): Uint8Array {
  return makeBinding(
    { certificate, peer: peerIdOf(seed), expiry: certificate.notAfter },
    {
      control: (purpose, ...items) => signControl(signing, purpose, ...items),
      transport: (message) => signTransport(seed, message),
    },
  );
}

/** Makes all keys of a new trader. The folder must not hold any. */
export async function createKeys(
  folder: string,
  identity: NewIdentity,
  ports: { readonly clock: Clock; readonly rng: Rng },
): Promise<void> {
  const file = files(folder);
  if (existsSync(file.signing))
    throw new FitError('home-exists', 'there is a trader here already', { hint: 'choose another FIT_HOME' });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const now = seconds(ports.clock.now());
  const signing = generateSigningKey();
  const validity = { notBefore: now - BACKDATE_SECONDS, notAfter: now + CERTIFICATE_YEARS * 365 * 86_400 };
  const certificate = parseCertificate(await selfSigned({ key: signing, name: identity.name, ...validity }));
  const vault: Vault = {
    archiveKey: ports.rng(32),
    verifier: generateVerifierKey(),
    kem: identity.arbiter ? [generateKem()] : [],
    timestamp: identity.timestamp === true ? createTimestampKey(identity.name, validity) : null,
    age: await generateAgeKey(),
  };
  const [pem, sealed] = await Promise.all([
    encryptPkcs8(signing, identity.passphrase),
    wrapSecret(identity.passphrase, encodeVault(vault)),
  ]);
  const seed = ports.rng(32);
  put(file.transport, seed);
  put(file.binding, bindingOf(certificate, signing, seed));
  put(file.spool, ports.rng(32));
  put(file.certificates, certificatesPem([certificate]));
  put(file.vault, sealed);
  put(file.signing, pem);
}

/** Loads what is public; throws `FitError('no-home')` where there are no keys. */
export function openKeyring(folder: string, clock: Clock): Keyring {
  const file = files(folder);
  if (!existsSync(file.signing))
    throw new FitError('no-home', 'there is no trader here yet', { hint: 'fit init --name NAME makes one' });
  let chain: readonly Certificate[] = fromPem(readFileSync(file.certificates, 'utf8'), 'CERTIFICATE').map(
    parseCertificate,
  );
  let binding: Uint8Array = new Uint8Array(readFileSync(file.binding));
  const transportSeed = new Uint8Array(readFileSync(file.transport));
  let held: Secrets | undefined;
  let era = 0;
  let wrong = 0;
  let notBeforeMs = 0;

  const openSigning = async (passphrase: string): Promise<KeyObject> => {
    try {
      return await decryptPkcs8(readFileSync(file.signing, 'utf8'), passphrase);
    } catch (error) {
      // An interrupted change of passphrase: the vault is under the new one already, the key's new file waits beside the old.
      const fresh = `${file.signing}.new`;
      if (!isFitError(error) || error.code !== 'wrong-passphrase' || !existsSync(fresh)) throw error;
      const key = await decryptPkcs8(readFileSync(fresh, 'utf8'), passphrase);
      renameSync(fresh, file.signing);
      return key;
    }
  };

  const turns = createMutex();
  /** One attempt at a time: many at once must not all pass before the first has failed. */
  const guarded = <T>(attempt: () => Promise<T>): Promise<T> => turns.run('passphrase', () => tried(attempt));

  const tried = async <T>(attempt: () => Promise<T>): Promise<T> => {
    const wait = notBeforeMs - clock.now();
    // A wait longer than the longest is one from before the clock was set.
    if (wait > 0 && wait <= LONGEST_WAIT_MS) {
      throw new FitError('rate-limited', 'too many wrong passphrases', { hint: `wait ${Math.ceil(wait / 1000)} s` });
    }
    try {
      const result = await attempt();
      wrong = 0;
      return result;
    } catch (error) {
      if (isFitError(error) && error.code === 'wrong-passphrase') {
        wrong += 1;
        if (wrong >= FREE_ATTEMPTS)
          notBeforeMs = clock.now() + Math.min(1000 * 2 ** (wrong - FREE_ATTEMPTS), LONGEST_WAIT_MS);
      }
      throw error;
    }
  };

  const bind = (signing: KeyObject): void => {
    binding = bindingOf(present(chain[0], 'certificate'), signing, transportSeed);
    put(file.binding, binding);
  };

  /** A vault of before there were age keys gets one. */
  const openVault = async (passphrase: string): Promise<Vault> => {
    const vault = decodeVault(await unwrapSecret(passphrase, readFileSync(file.vault)));
    const { age } = vault;
    if (age !== null) return { ...vault, age };
    const whole = { ...vault, age: await generateAgeKey() };
    put(file.vault, await wrapSecret(passphrase, encodeVault(whole)));
    return whole;
  };

  return {
    get locked() {
      return held === undefined;
    },
    get era() {
      return era;
    },
    get chain() {
      return chain;
    },
    transportSeed,
    spoolKey: new Uint8Array(readFileSync(file.spool)),
    get binding() {
      return binding;
    },
    secrets() {
      if (held === undefined) throw new FitError('locked', 'the daemon is locked', { hint: 'fit unlock' });
      return held;
    },
    async unlock(passphrase) {
      const leaf = present(chain[0], 'certificate');
      const isOurs = (key: KeyObject): boolean =>
        leaf.publicKey.equals(createPublicKey(key.export({ format: 'pem', type: 'pkcs8' })));
      const opened = await guarded(async () => {
        const vault = await openVault(passphrase);
        const signing = await openSigning(passphrase);
        // An interrupted import: the new certificate is there already, its key waits beside the old one.
        if (isOurs(signing) || !existsSync(`${file.signing}.new`)) return { ...vault, signing };
        const fresh = await decryptPkcs8(readFileSync(`${file.signing}.new`, 'utf8'), passphrase);
        if (isOurs(fresh)) renameSync(`${file.signing}.new`, file.signing);
        return { ...vault, signing: fresh };
      });
      // CBC has no integrity: a key that does not belong to the certificate is as good as a wrong passphrase.
      if (!isOurs(opened.signing)) throw new FitError('bad-key', 'the signing key does not belong to the certificate');
      held = opened;
      // An interrupted import: on every connection the old certificate would still be shown.
      const [, shown] = read.array(decode(binding, BINDING_MAX_BYTES), 5, 'binding');
      if (!equal(read.blob(shown, BINDING_MAX_BYTES, 'certificate'), leaf.der)) bind(opened.signing);
    },
    lock() {
      era += 1;
      if (held === undefined) return;
      wipeVault(held);
      held = undefined;
    },
    async check(passphrase) {
      wipeVault(await guarded(() => openVault(passphrase)));
    },
    async changePassphrase(old, fresh) {
      await guarded(async () => {
        const [vault, signing] = [await openVault(old), await openSigning(old)];
        const [pem, sealed] = await Promise.all([encryptPkcs8(signing, fresh), wrapSecret(fresh, encodeVault(vault))]);
        // Order matters: see openSigning.
        writeFileSync(`${file.signing}.new`, pem, { mode: 0o600, flush: true });
        put(file.vault, sealed);
        renameSync(`${file.signing}.new`, file.signing);
        era += 1;
      });
    },
    encryptedKey() {
      return readFileSync(file.signing, 'utf8');
    },
    replaceIdentity: (fresh, other) =>
      guarded(async () => {
        // Once more, now that no change of passphrase can come in between: the key lies under the same one as the vault.
        if (other !== undefined) await openVault(other.passphrase);
        const pem = other === undefined ? undefined : await encryptPkcs8(other.key, other.passphrase);
        if (held === undefined) throw new FitError('locked', 'the daemon is locked', { hint: 'fit unlock' });
        // Order matters: see unlock.
        if (pem !== undefined) writeFileSync(`${file.signing}.new`, pem, { mode: 0o600, flush: true });
        put(file.certificates, certificatesPem(fresh));
        if (pem !== undefined) renameSync(`${file.signing}.new`, file.signing);
        if (other !== undefined) held = { ...held, signing: other.key };
        chain = fresh;
        bind(held.signing);
      }),
  };
}
