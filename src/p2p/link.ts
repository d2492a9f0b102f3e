/**
 * The link port: authenticated request and reply between two traders' daemons. Versions: `libp2p-link.ts` (TCP, noise,
 * yamux) and `memory-link.ts`; both pass `test/conformance/link.ts`.
 *
 * Obligations of a link:
 * - before any request is handed over, each side has proven its identity: `Binder.hello()` of each was sent to the other and
 *   accepted by the other's `Binder.accept` against the transport-authenticated peer id, on every connection;
 * - one request, one reply, each a single frame within `framesOf` its protocol, whole or not at all;
 * - per-peer limits on requests under way and on their rate (`limits.ts`); what exceeds them is refused, not queued;
 * - a request that got no reply may or may not have been handled: callers repeat it, handlers are idempotent.
 */

/** Protocols of DESIGN §10 that carry requests. `/fit/identity/1` is the link's own. By `/fit/bulk/1` a receiver pulls content. */
export const PROTOCOLS = [
  '/fit/message/1',
  '/fit/exchange/1',
  '/fit/arbiter/1',
  '/fit/bulk/1',
  '/fit/timestamp/1',
] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** The largest frame either way: a document of 64 KiB with an arbiter's card, or a resolve request with two proofs. */
export const MAX_FRAME_BYTES = 256 * 1024;
/** The largest reply by `/fit/bulk/1`: a mebibyte of content with its salts. Its requests are small. */
export const BULK_FRAME_BYTES = 1024 * 1024 + 64 * 1024;
const BULK_REQUEST_BYTES = 4 * 1024;
/** A TimeStampReq, and a TimeStampResp with one certificate. */
const TIMESTAMP_REQUEST_BYTES = 1024;
const TIMESTAMP_REPLY_BYTES = 16 * 1024;

export interface FrameLimits {
  readonly request: number;
  readonly reply: number;
  /**
   * How often the link's deadline for a frame a reply may take. Six times ten seconds hold six of the largest bulk replies at
   * once over a line of 1 Mbit/s.
   */
  readonly patience: number;
}

/** What a request and a reply of a protocol may hold, in bytes. */
export function framesOf(protocol: Protocol): FrameLimits {
  switch (protocol) {
    case '/fit/bulk/1':
      return { request: BULK_REQUEST_BYTES, reply: BULK_FRAME_BYTES, patience: 6 };
    case '/fit/timestamp/1':
      return { request: TIMESTAMP_REQUEST_BYTES, reply: TIMESTAMP_REPLY_BYTES, patience: 1 };
    default:
      return { request: MAX_FRAME_BYTES, reply: MAX_FRAME_BYTES, patience: 1 };
  }
}

/** The proven other end of a connection. */
export interface Remote {
  /** PeerId in text form (`12D3Koo…`), authenticated by the transport. */
  readonly peer: string;
  /** SHA-256 of the end-entity certificate that the peer's binding proved, lower-case hex. */
  readonly certificate: string;
  /** The address of the other end, where the link has one: for limits, not for identity. */
  readonly host?: string;
}

/** Supplied by the daemon: makes and checks the certificate ↔ PeerId binding. */
export interface Binder {
  /** This trader's signed binding, sent on every connection; made at unlock or read from disk. */
  hello(): Uint8Array;
  /** The certificate hash that `hello` proves for `peer`. Throws `PeerFault('bad-binding')`. */
  accept(peer: string, hello: Uint8Array): Promise<string>;
}

export type Handler = (from: Remote, body: Uint8Array) => Promise<Uint8Array>;

export interface RequestOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export interface Link {
  /** This end's PeerId. */
  readonly peer: string;
  /** Resolves when listening. Throws `FitError('internal')` with the reason, or with data `{ taken: true }` if the port is in use. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Where this end listens: multiaddrs with `/p2p/<PeerId>`. */
  addresses(): readonly string[];
  /** Where to dial a peer; replaces what was known. Unparsable addresses are ignored. */
  learn(peer: string, addresses: readonly string[]): void;
  /**
   * One request. Rejects with `FitError('peer-unreachable')` if no proven connection could be had or it broke,
   * `FitError('peer-refused')` if the peer answered with a refusal of the link (limits, unknown protocol).
   * `certificate`: the identity that must be at the other end; another one is `PeerFault('bad-binding')`.
   */
  request(
    peer: string,
    certificate: string,
    protocol: Protocol,
    body: Uint8Array,
    options: RequestOptions,
  ): Promise<Uint8Array>;
  /** One handler per protocol; a handler that throws makes the request end without reply. */
  handle(protocol: Protocol, handler: Handler): void;
  connected(peer: string): boolean;
  /** Called whenever a proven connection to a peer comes up (either side dialled) or the last one goes. */
  onPeer(listener: (remote: Remote, up: boolean) => void): void;
}
