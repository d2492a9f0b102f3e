/**
 * Resolve requests that a locked daemon can send (PROTOCOL §6): signed and sealed to the arbiter before our last binding
 * message left, kept under the spool key, sent when due, and the sealed answer kept unread until someone unlocks. The answer does
 * not say then whether the arbiter wants the ciphertext, so a receiver brings it whenever the arbiter is to compare it.
 */
import type { Archive } from '../archive/sealed-store.ts';
import { isCiphertext } from '../exchange/pieces.ts';
import { fromHex } from '../lib/bytes.ts';
import { type Cbor, decode, encode, read } from '../lib/cbor.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { createMutex } from '../lib/mutex.ts';
import { type Link, MAX_FRAME_BYTES } from '../p2p/link.ts';
import { bring } from './bringing.ts';
import { readCiphertext, type SpooledCiphertext } from './ciphertexts.ts';

const REQUEST_TIMEOUT_MS = 30_000;
const RETRY_MS = 10_000;
/** The longest wait until a ciphertext that was not taken is brought again. */
const LONGEST_BRING_MS = 3_600_000;

export interface Spooled {
  readonly certificate: string;
  readonly peer: string;
  readonly addresses: readonly string[];
  /** Seconds: `notAfter − margin`. */
  readonly due: number;
  readonly request: Uint8Array;
  readonly answer: Uint8Array | null;
  /** What the arbiter is to compare, if we have it here. */
  readonly ciphertext: SpooledCiphertext | null;
}

export function encodeSpooled(spooled: Spooled): Uint8Array {
  const { certificate, peer, addresses, due, request, answer, ciphertext } = spooled;
  const brought = ciphertext === null ? null : [ciphertext.folder, ciphertext.bytes, ciphertext.root];
  return encode([2, certificate, peer, addresses, due, request, answer, brought]);
}

function ciphertextFrom(value: Cbor | undefined): SpooledCiphertext | null {
  if (value === undefined || value === null) return null;
  const [folder, bytes, root] = read.array(value, 3, 'ciphertext');
  return {
    folder: read.text(folder, 64, 'folder'),
    bytes: read.uint(bytes, 'bytes'),
    root: read.bytes(root, 32, 'root'),
  };
}

export function decodeSpooled(bytes: Uint8Array): Spooled {
  const fields = read.list(decode(bytes, 2 * MAX_FRAME_BYTES), 8, 'prepared request');
  const [version, certificate, peer, addresses, due, request, answer, ciphertext] = fields;
  // The first version knew no full checks.
  if (version !== 1 || fields.length !== 7) read.literal(version, 2, 'version');
  return {
    certificate: read.text(certificate, 64, 'arbiter'),
    peer: read.text(peer, 128, 'peer'),
    addresses: read.list(addresses, 16, 'addresses').map((one) => read.text(one, 256, 'address')),
    due: read.uint(due, 'due'),
    request: read.blob(request, MAX_FRAME_BYTES, 'request'),
    answer: answer === null ? null : read.blob(answer, MAX_FRAME_BYTES, 'answer'),
    ciphertext: ciphertextFrom(ciphertext),
  };
}

export interface SpoolPorts {
  readonly archive: Archive;
  readonly link: Link;
  readonly clock: Clock;
  readonly log: Logger;
  /** Once unlocked the exchange driver asks by itself. */
  readonly locked: () => boolean;
  /** Where the ciphertext in a folder of contents lies. */
  readonly sealed: (folder: string) => string;
}

/** Watches prepared requests while the daemon is locked. The returned function ends it. */
export async function watchSpool(ports: SpoolPorts): Promise<() => void> {
  const cancels = new Map<string, () => void>();
  let stopped = false;
  /** One ciphertext at a time is held for each arbiter. */
  const bringing = createMutex();

  const later = (xid: string, atMs: number, againMs?: number): void => {
    cancels.set(
      xid,
      ports.clock.at(atMs, () => void send(xid, againMs)),
    );
  };

  /** `gone`: it is not here as it was, and an unlocked daemon fetches it again. */
  const bringIt = (xid: string, arbiter: Spooled, { folder, bytes, root }: SpooledCiphertext) =>
    bringing.run(arbiter.certificate, async () => {
      const ciphertext = await readCiphertext(ports.sealed(folder), bytes);
      if (ciphertext === null || !isCiphertext({ bytes, ciphertextRoot: root }, ciphertext)) return 'gone';
      const brought = { xid: fromHex(xid), bytes, ciphertextRoot: root, ciphertext, from: 0 };
      return (await bring(ports.link, arbiter, brought)) ? 'there' : 'not-wanted';
    });

  /** `againMs`: what is to be compared was not taken before, so that an answer that we cannot read need not be the last. */
  const send = async (xid: string, againMs?: number): Promise<void> => {
    if (stopped || !ports.locked()) return;
    try {
      const bytes = await ports.archive.get('spool', xid);
      if (bytes === undefined) return;
      const spooled = decodeSpooled(bytes);
      if (spooled.answer !== null && againMs === undefined) return;
      ports.link.learn(spooled.peer, spooled.addresses);
      const options = { timeoutMs: REQUEST_TIMEOUT_MS };
      const { peer, certificate, request } = spooled;
      const ask = () => ports.link.request(peer, certificate, '/fit/arbiter/1', request, options);
      let answer = await ask();
      const said = spooled.ciphertext === null ? 'gone' : await bringIt(xid, spooled, spooled.ciphertext);
      if (said !== 'gone') answer = await ask();
      if (stopped || !ports.locked()) return;
      const value = encodeSpooled({ ...spooled, answer });
      await ports.archive.batch([{ kind: 'put', space: 'spool', key: xid, value }]);
      // The arbiter has decided, or has no room for it yet: the answer says which, and we cannot read it.
      const waitMs = againMs ?? RETRY_MS;
      if (said === 'not-wanted' && !stopped)
        later(xid, ports.clock.now() + waitMs, Math.min(2 * waitMs, LONGEST_BRING_MS));
    } catch (error) {
      ports.log.debug({ xid, error }, 'a prepared request was not answered yet');
      if (!stopped) later(xid, ports.clock.now() + RETRY_MS, againMs);
    }
  };

  for await (const [xid, value] of ports.archive.list('spool')) {
    const { due, answer } = decodeSpooled(value);
    if (answer === null) later(xid, due * 1000);
  }
  return () => {
    stopped = true;
    for (const cancel of cancels.values()) cancel();
  };
}
