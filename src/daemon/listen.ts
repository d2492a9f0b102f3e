/** Where to listen: `HOST:PORT` of the settings as a multiaddr, and the port that was found free before. */
import { isIPv4, isIPv6 } from 'node:net';
import { decode, read } from '../lib/cbor.ts';

/** `127.0.0.1:0` → `/ip4/127.0.0.1/tcp/0`, `[::1]:0` → `/ip6/::1/tcp/0`, a name → `/dns/…`. The form was checked by config.ts. */
export function listenAddress(listen: string): string {
  const colon = listen.lastIndexOf(':');
  const host = listen.slice(0, colon).replace(/^\[|\]$/g, '');
  const port = listen.slice(colon + 1);
  if (isIPv4(host)) return `/ip4/${host}/tcp/${port}`;
  if (isIPv6(host)) return `/ip6/${host}/tcp/${port}`;
  return `/dns/${host}/tcp/${port}`;
}

/** What the last start found for the same setting; undefined if the setting was changed since. */
export function remembered(stored: Uint8Array, setting: string): string | undefined {
  const [then, found] = read.array(decode(stored, 1024), 2, 'listen');
  return then === setting ? read.text(found, 300, 'address') : undefined;
}
