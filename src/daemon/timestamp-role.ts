/**
 * The timestamp authority that a trader is for others: one request, one reply, by `/fit/timestamp/1`.
 * Guarantees: a serial number is durable before it is used, and none is used twice, even if the archive was lost; what is no
 * request costs no write.
 */
import type { Archive } from '../archive/sealed-store.ts';
import { timestampRefusal, timestampResponse } from '../crypto/pki/timestamp.ts';
import { decode, enc, read } from '../lib/cbor.ts';
import { type Clock, seconds } from '../lib/clock.ts';
import { FitError } from '../lib/errors.ts';
import { createMutex } from '../lib/mutex.ts';
import { type Keyring, timestampKeyOf } from './keyring.ts';

/** Says only: a time by the clock of this trader's machine. Below 2.25 numbers are drawn, not given out. */
const POLICY = '2.25.88313586223725';
const SERIAL_KEY = 'timestamp-serial';

export interface TimestampPorts {
  readonly archive: Archive;
  readonly keyring: Keyring;
  readonly clock: Clock;
}

export interface TimestampRole {
  /** TimeStampReq → TimeStampResp. Throws (no reply: ask again) while locked. */
  handle(request: Uint8Array): Promise<Uint8Array>;
}

export function createTimestampRole({ archive, keyring, clock }: TimestampPorts): TimestampRole {
  const locks = createMutex();

  /** One more than the last, and no less than the milliseconds since 1970: of an archive that was lost, time knows enough. */
  const nextSerial = (): Promise<number> =>
    locks.run('serial', async () => {
      const stored = await archive.get('meta', SERIAL_KEY);
      const last = stored === undefined ? 0 : read.uint(read.array(decode(stored, 16), 1, 'serial')[0], 'serial');
      const serial = Math.max(last + 1, clock.now());
      await archive.batch([{ kind: 'put', space: 'meta', key: SERIAL_KEY, value: enc(serial) }]);
      return serial;
    });

  return {
    async handle(request) {
      const { key, certificate } = timestampKeyOf(keyring);
      const refused = timestampRefusal(request, POLICY);
      if (refused !== null) return refused;
      const serial = await nextSerial();
      const time = seconds(clock.now());
      if (time < certificate.notBefore || time > certificate.notAfter)
        throw new FitError('wrong-state', 'the certificate for timestamps is not valid now');
      return timestampResponse(request, { key, certificate, policy: POLICY, serial, time });
    },
  };
}
