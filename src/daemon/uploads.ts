/**
 * Ciphertexts that are brought to this arbiter for full checks (PROTOCOL §8), each in a file until its exchange is decided.
 *
 * Guarantees: only what an authentic request waits for is taken, and of it only what fits the root in X; how much lies here is
 * bounded, in all and for each address (certificates are free); what nobody goes on with is taken away after an hour, at the end
 * of help at the latest, and everything at a start: nothing here is owed to anybody, who asks brings it again.
 */
import { constants, type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SEALED_CHUNK_BYTES, sealedBytes } from '../crypto/content.ts';
import type { ContentItem } from '../exchange/items.ts';
import { fitsCiphertext, type Piece, type PieceReply } from '../exchange/pieces.ts';
import { toHex } from '../lib/bytes.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { checkPrivateFolder } from '../lib/private-folder.ts';
import type { ContentWork } from './content-work.ts';

export interface UploadsPorts {
  /** A folder of our own. */
  readonly root: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly work: Pick<ContentWork, 'run'>;
}

export interface Limits {
  /** Bytes of ciphertext, and how many, in all and of one address. */
  readonly bytes: number;
  readonly count: number;
  readonly bytesOfOne: number;
  readonly countOfOne: number;
}

const LIMITS: Limits = {
  bytes: 1024 * 1024 * 1024,
  count: 256,
  bytesOfOne: 128 * 1024 * 1024,
  countOfOne: 32,
};
const IDLE_MS = 3_600_000;

interface Upload {
  readonly item: ContentItem;
  readonly account: string;
  readonly path: string;
  readonly size: number;
  readonly here: Set<number>;
  readonly endMs: number;
  touchedMs: number;
  file: Promise<FileHandle> | null;
  cancel: () => void;
}

export interface Wanted {
  readonly xid: Uint8Array;
  readonly item: ContentItem;
  /** Seconds: the end of help. */
  readonly notAfter: number;
  /** Of whoever asks: an address. */
  readonly account: string;
}

export type Uploads = ReturnType<typeof createUploads>;

export function createUploads({ root, clock, log, work }: UploadsPorts, limits: Limits = LIMITS) {
  const uploads = new Map<string, Upload>();
  let made = 0;

  const forget = async (xid: string): Promise<void> => {
    const upload = uploads.get(xid);
    if (upload === undefined) return;
    uploads.delete(xid);
    upload.cancel();
    const file = await upload.file?.catch(() => null);
    await file?.close().catch(() => {});
    await rm(upload.path, { force: true });
  };

  /** Whether one more finds room. */
  const hasRoom = (account: string, size: number): boolean => {
    const all = [...uploads.values()];
    const own = all.filter((one) => one.account === account);
    const sum = (list: readonly Upload[]): number => list.reduce((total, one) => total + one.size, size);
    return (
      all.length < limits.count &&
      own.length < limits.countOfOne &&
      sum(all) <= limits.bytes &&
      sum(own) <= limits.bytesOfOne
    );
  };

  const watch = (xid: string, upload: Upload): void => {
    const at = Math.min(upload.touchedMs + IDLE_MS, upload.endMs);
    upload.cancel = clock.at(at, () => {
      if (clock.now() < Math.min(upload.touchedMs + IDLE_MS, upload.endMs)) watch(xid, upload);
      else forget(xid).catch((error) => log.warn({ xid, error }, 'what was brought could not be taken away'));
    });
  };

  const fileOf = (upload: Upload): Promise<FileHandle> => {
    upload.file ??= (async () => {
      await mkdir(root, { recursive: true, mode: 0o700 });
      checkPrivateFolder(root);
      await rm(upload.path, { force: true });
      const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDWR } = constants;
      return open(upload.path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    })();
    return upload.file;
  };

  return {
    /** Nothing of an earlier run is gone on with: what lay there was known to it alone. */
    clear: (): Promise<void> => rm(root, { recursive: true, force: true }),

    /** From now on pieces of it are taken, if there is room. The first chunk that is not here. */
    want({ xid, item, notAfter, account }: Wanted): number {
      const name = toHex(xid);
      const found = uploads.get(name);
      if (found !== undefined) {
        found.touchedMs = clock.now();
        for (let index = 0; ; index += 1) if (!found.here.has(index)) return index;
      }
      const size = sealedBytes(item.bytes);
      if (!hasRoom(account, size)) return 0;
      const upload: Upload = {
        item,
        account,
        // Never that of one before: it may still be being taken away.
        path: join(root, `${name}.${made++}`),
        size,
        here: new Set(),
        endMs: notAfter * 1000,
        touchedMs: clock.now(),
        file: null,
        cancel: () => {},
      };
      uploads.set(name, upload);
      watch(name, upload);
      return 0;
    },

    /** The same piece twice is one piece. */
    async take(piece: Piece): Promise<PieceReply> {
      const upload = uploads.get(toHex(piece.xid));
      if (upload === undefined) return 'not-wanted';
      if (!fitsCiphertext(upload.item, piece)) return 'wrong';
      upload.touchedMs = clock.now();
      if (upload.here.has(piece.index)) return 'taken';
      const file = await fileOf(upload).catch((error) => {
        upload.file = null;
        throw error;
      });
      const { sealed, index } = piece;
      for (let done = 0; done < sealed.length; ) {
        const at = index * SEALED_CHUNK_BYTES + done;
        done += (await file.write(sealed, done, sealed.length - done, at)).bytesWritten;
      }
      upload.here.add(index);
      return 'taken';
    },

    isHere(xid: Uint8Array): boolean {
      const upload = uploads.get(toHex(xid));
      return upload !== undefined && upload.here.size === upload.item.chunks;
    },

    /**
     * What the key makes of what was brought; without a key only whether it is still here, so that the time that it takes tells
     * nothing of the promises. What is not as it was brought is missing, and has to be brought again.
     */
    async judge(xid: Uint8Array, key: Uint8Array | null): Promise<'right' | 'wrong' | 'whole' | 'missing'> {
      const upload = uploads.get(toHex(xid));
      if (upload === undefined || upload.here.size !== upload.item.chunks) return 'missing';
      const { point, plaintextRoot, ciphertextRoot, bytes } = upload.item;
      const opening = key === null ? null : { x: key, point, contentRoot: plaintextRoot };
      const found = await work.run('judge', { path: upload.path, bytes, sealedRoot: ciphertextRoot, opening });
      if (found !== 'damaged') return found;
      log.warn({ xid: toHex(xid) }, 'what was brought for a full check is damaged on this disk');
      await forget(toHex(xid));
      return 'missing';
    },

    /** It is decided, or cannot be any more. */
    drop: (xid: Uint8Array): Promise<void> => forget(toHex(xid)),

    /** Everything goes: this daemon stops or locks. */
    async end(): Promise<void> {
      for (const xid of [...uploads.keys()]) await forget(xid);
    },
  };
}
