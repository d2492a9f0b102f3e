/** UTCTime and GeneralizedTime of X.509 and CMS: whole seconds, `Z`, nothing else (RFC 5280 §4.1.2.5). */
import { utf8 } from '../../lib/bytes.ts';
import { type DerReader, malformed, TAG, tlv } from './der.ts';

/** 2050-01-01 and 10000-01-01: UTCTime ends before the first, GeneralizedTime before the second. */
const UTC_TIME_END = 2_524_608_000;
const TIME_END = 253_402_300_800;

/** `YYYYMMDDHHMMSSZ` */
function digits(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(/[-:T]|\.000/g, '');
}

/** 13 characters, `YYMMDDHHMMSSZ`. Refuses what is not a whole second from 1970 to 2049 with PeerFault('malformed'). */
export function utcTimeText(seconds: number): Uint8Array {
  if (!Number.isSafeInteger(seconds) || seconds < 0 || seconds >= UTC_TIME_END)
    malformed('time: not a whole second from 1970 to 2049');
  return utf8(digits(seconds).slice(2));
}

/** UTCTime through 2049, GeneralizedTime from 2050 on. */
export function encodeTime(seconds: number): Uint8Array {
  if (seconds < UTC_TIME_END) return tlv(TAG.utcTime, utcTimeText(seconds));
  if (!Number.isSafeInteger(seconds) || seconds >= TIME_END) malformed('time: not before the year 10000');
  return tlv(TAG.generalizedTime, utf8(digits(seconds)));
}

/** Seconds since 1970 of `YYMMDDHHMMSSZ` (1950 to 2049); negative before 1970. */
export function parseUtcTime(content: Uint8Array, what: string): number {
  const text = Buffer.from(content).toString('latin1');
  return parse(`${text < '50' ? '20' : '19'}${text}`, what);
}

function parse(text: string, what: string): number {
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (match === null) malformed(`${what}: not a time`);
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number);
  const ms = new Date(0).setUTCFullYear(year, month - 1, day) + ((hour * 60 + minute) * 60 + second) * 1000;
  // A day or an hour that does not exist would have moved on to the next one.
  if (
    Number.isNaN(ms) ||
    new Date(ms).toISOString() !== text.replace(/(....)(..)(..)(..)(..)(..)Z/, '$1-$2-$3T$4:$5:$6.000Z')
  )
    malformed(`${what}: no such date`);
  return ms / 1000;
}

/** GeneralizedTime of a timestamp (RFC 3161 §2.4.2): any year, whole seconds. */
export function generalizedTime(seconds: number): Uint8Array {
  if (!Number.isSafeInteger(seconds) || seconds < 0 || seconds >= TIME_END) malformed('time: not from 1970 to 9999');
  return tlv(TAG.generalizedTime, utf8(digits(seconds)));
}

/** The same, read: a fraction without zeros at its end may follow, and is dropped. Seconds since 1970. */
export function readGeneralizedTime(reader: DerReader, what: string): number {
  const text = Buffer.from(reader.content(TAG.generalizedTime, what)).toString('latin1');
  return parse(text.replace(/\.\d{0,8}[1-9]Z$/, 'Z'), what);
}

export function readTime(reader: DerReader, what: string): number {
  if (reader.tag === TAG.utcTime) return parseUtcTime(reader.content(TAG.utcTime, what), what);
  const seconds = parse(Buffer.from(reader.content(TAG.generalizedTime, what)).toString('latin1'), what);
  if (seconds < UTC_TIME_END && seconds >= -631_152_000) malformed(`${what}: GeneralizedTime before 2050`);
  return seconds;
}
