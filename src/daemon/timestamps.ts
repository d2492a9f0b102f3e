/**
 * Asking for timestamps: a contact with the role, by the link, or a public authority, by HTTP (RFC 3161 §3.4).
 * Guarantees: what is handed out was verified, with the nonce of its request, under certificates that this trader named
 * or that a pinned card has; answers are bounded in size and time.
 */
import { readFileSync, statSync } from 'node:fs';
import { TIMESTAMP_MAX_BYTES, timestampRequest } from '../crypto/pki/timestamp.ts';
import { authoritiesIn, judgeTimestamp, type Stamp } from '../evidence/timestamp.ts';
import { present } from '../lib/assert.ts';
import { concat } from '../lib/bytes.ts';
import { FitError, isFitError, PeerFault } from '../lib/errors.ts';
import type { Rng } from '../lib/rng.ts';
import type { Link } from '../p2p/link.ts';
import { type Config, isWebAddress } from './config.ts';
import type { Contacts } from './contacts.ts';
import type { Identity } from './identity.ts';

const TIMEOUT_MS = 10_000;
const NONCE_BYTES = 16;
const MAX_PEM_BYTES = 1024 * 1024;

export interface StampRequest {
  /** SHA-256 of the file. */
  readonly digest: Uint8Array;
  /** A contact with the role; else the authority at `url`, else the configured one. */
  readonly by?: string;
  readonly url?: string;
  /** DER, in place of the configured ones. */
  readonly certificates?: readonly Uint8Array[];
}

export interface Stamped extends Stamp {
  /** TimeStampResp. */
  readonly response: Uint8Array;
}

export interface Authority {
  /** The contact whose card has it; null for a configured certificate or our own. */
  readonly contact: string | null;
  /** DER. */
  readonly certificate: Uint8Array;
}

export interface Timestamps {
  make(request: StampRequest): Promise<Stamped>;
  /** Whose timestamps this trader believes. */
  authorities(): readonly Authority[];
  stop(): void;
}

export interface TimestampsPorts {
  readonly config: Config;
  readonly contacts: Contacts;
  readonly identity: Identity;
  readonly link: Link;
  readonly rng: Rng;
}

type Ask = (request: Uint8Array) => Promise<Uint8Array>;

const stamperOf = (card: ReturnType<Identity['card']>): Uint8Array | undefined => {
  const role = card.roles.find((one) => one.role === 'timestamp');
  return role?.role === 'timestamp' ? role.certificate : undefined;
};

export function createTimestamps({ config, contacts, identity, link, rng }: TimestampsPorts): Timestamps {
  const stopping = new AbortController();

  const configured = (): readonly Uint8Array[] => {
    const file = config.timestamp.certificates;
    if (file === '') return [];
    try {
      if (statSync(file).size > MAX_PEM_BYTES) throw new FitError('bad-file', 'larger than 1 MiB');
      return authoritiesIn(readFileSync(file, 'latin1'));
    } catch (cause) {
      const why = isFitError(cause) ? cause.message : 'it cannot be read';
      throw new FitError('bad-config', `fit.toml: timestamp.certificates: ${why}`, { hint: 'see fit.toml(5)', cause });
    }
  };

  const byContact = (name: string): { readonly ask: Ask; readonly trusted: readonly Uint8Array[] } => {
    const { card } = contacts.named(name);
    const certificate = stamperOf(card);
    if (certificate === undefined)
      throw new FitError('not-found', 'this contact makes no timestamps', { hint: 'fit contact list shows roles' });
    const owner = present(contacts.certificateOf(name), 'certificate of a contact');
    const peer = present(contacts.peerOf(owner), 'peer of a contact');
    const options = { timeoutMs: TIMEOUT_MS, signal: stopping.signal };
    return {
      ask: (request) => link.request(peer, owner, '/fit/timestamp/1', request, options),
      trusted: [certificate],
    };
  };

  const byUrl = (url: string, named: StampRequest['certificates']): ReturnType<typeof byContact> => {
    if (url === '')
      throw new FitError('usage', 'no timestamp authority is named', {
        hint: 'give --by or --url, or set timestamp.url: fit config set timestamp.url URL',
      });
    if (!isWebAddress(url))
      throw new FitError('usage', 'the address of the authority is no http:// or https:// address');
    const trusted = named ?? configured();
    if (trusted.length === 0)
      throw new FitError('usage', 'no certificate of the timestamp authority is named', {
        hint: 'give --certificates, or set timestamp.certificates to a PEM file',
      });
    return { ask: (request) => post(url, request, stopping.signal), trusted };
  };

  return {
    async make({ digest, by, url, certificates }) {
      const { ask, trusted } = by === undefined ? byUrl(url ?? config.timestamp.url, certificates) : byContact(by);
      const nonce = rng(NONCE_BYTES);
      const response = await ask(timestampRequest(digest, nonce));
      const { problem, stamp } = judgeTimestamp(response, { digest, nonce, authorities: trusted });
      if (stamp !== null) return { ...stamp, response };
      const { code, message } = present(problem, 'what is wrong with a timestamp');
      if (code === 'not-granted') throw new FitError('peer-refused', message, { data: { code } });
      throw new FitError('peer-fault', `the timestamp is not acceptable: ${message}`, { data: { code } });
    },
    authorities() {
      const own = stamperOf(identity.card());
      const pinned = contacts.list().flatMap(({ contact }) => {
        const certificate = stamperOf(contacts.named(contact).card);
        return certificate === undefined ? [] : [{ contact, certificate }];
      });
      const others = [...configured(), ...(own === undefined ? [] : [own])];
      return [...pinned, ...others.map((certificate) => ({ contact: null, certificate }))];
    },
    stop() {
      stopping.abort();
    },
  };
}

/** One POST, no redirects: whoever is asked is whom the user named. */
async function post(url: string, request: Uint8Array, stopping: AbortSignal): Promise<Uint8Array> {
  // Not AbortSignal.any: on Node 20 a collected AbortSignal.timeout among its sources never fires.
  const end = new AbortController();
  const onStop = (): void => end.abort();
  const timer = setTimeout(() => end.abort(), TIMEOUT_MS);
  stopping.addEventListener('abort', onStop);
  if (stopping.aborted) end.abort();
  try {
    const response = await fetch(url, {
      method: 'POST',
      redirect: 'error',
      headers: { 'content-type': 'application/timestamp-query', accept: 'application/timestamp-reply' },
      body: new Uint8Array(request),
      signal: end.signal,
    });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new FitError('peer-refused', `the timestamp authority answered with HTTP status ${response.status}`);
    }
    const parts: Uint8Array[] = [];
    let size = 0;
    for await (const part of response.body ?? []) {
      size += part.length;
      if (size > TIMESTAMP_MAX_BYTES) throw new PeerFault('oversized', 'the answer of a timestamp authority');
      parts.push(part);
    }
    return concat(...parts);
  } catch (cause) {
    if (isFitError(cause) || cause instanceof PeerFault) throw cause;
    throw new FitError('peer-unreachable', 'the timestamp authority did not answer', {
      hint: 'try again, or another one: --url or --by',
      cause,
    });
  } finally {
    clearTimeout(timer);
    stopping.removeEventListener('abort', onStop);
  }
}
