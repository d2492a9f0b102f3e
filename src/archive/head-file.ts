/**
 * The head file: the latest census, kept outside the database, so that a database that lost its last batches or was set
 * back shows. It is written after each batch and never waited for by the disk: the store may be ahead of it (a crash in
 * between), it may not be ahead of the store.
 */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { openAes, sealAes } from '../crypto/aead.ts';
import { fromInt, utf8 } from '../lib/bytes.ts';
import { type Census, decodeCensus, encodeCensus } from './census.ts';

export interface HeadFile {
  /** `undefined` for a file that is new, torn or unreadable: it is only a second witness, and losing it loses no data. */
  read(): Promise<Census | undefined>;
  write(census: Census): Promise<void>;
  close(): Promise<void>;
}

const AAD = utf8('fit archive head v1');
/** Fixed, so that every write covers the whole of the one before; far below a disk's sector, so that it is not torn. */
const PLAIN_BYTES = 128;
const FILE_BYTES = 12 + PLAIN_BYTES + 16;

export async function openHeadFile(path: string, key: Uint8Array): Promise<HeadFile> {
  const file: FileHandle = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  return {
    async read() {
      const sealed = new Uint8Array(FILE_BYTES + 1);
      const { bytesRead } = await file.read(sealed, 0, sealed.length, 0);
      if (bytesRead !== FILE_BYTES) return undefined;
      try {
        const plain = openAes(key, sealed.subarray(0, FILE_BYTES), AAD);
        const length = plain[0] ?? 0;
        return decodeCensus(plain.subarray(1, 1 + length));
      } catch {
        return undefined;
      }
    },
    async write(census) {
      const encoded = encodeCensus(census);
      const plain = new Uint8Array(PLAIN_BYTES);
      plain.set(fromInt(BigInt(encoded.length), 1));
      plain.set(encoded, 1);
      await file.write(sealAes(key, plain, AAD), 0, FILE_BYTES, 0);
    },
    close: () => file.close(),
  };
}
