/** Where to listen: `HOST:PORT` of the settings as a multiaddr, and the port that was found free before. */
import { isIPv4, isIPv6 } from 'node:net';
import type { Archive } from '../archive/sealed-store.ts';
import { present } from '../lib/assert.ts';
import { decode, enc, read } from '../lib/cbor.ts';
import { FitError, isFitError } from '../lib/errors.ts';
import type { Link } from '../p2p/link.ts';

function hostIn(listen: string): string {
  return listen.slice(0, listen.lastIndexOf(':')).replace(/^\[|\]$/g, '');
}

/** Where lanes listen: beside the link, at the port of the setting `bulk.lane`. Null if there are to be none. */
export function lanePlace(listen: string, lane: string): { readonly host: string; readonly port: number } | null {
  if (lane === 'off') return null;
  return { host: hostIn(listen), port: lane === 'any' ? 0 : Number(lane) };
}

/** `127.0.0.1:0` → `/ip4/127.0.0.1/tcp/0`, `[::1]:0` → `/ip6/::1/tcp/0`, a name → `/dns/…`. The form was checked by config.ts. */
export function listenAddress(listen: string): string {
  const host = hostIn(listen);
  const port = listen.slice(listen.lastIndexOf(':') + 1);
  if (isIPv4(host)) return `/ip4/${host}/tcp/${port}`;
  if (isIPv6(host)) return `/ip6/${host}/tcp/${port}`;
  return `/dns/${host}/tcp/${port}`;
}

/** What the last start found for the same setting; undefined if the setting was changed since. */
function remembered(stored: Uint8Array, setting: string): string | undefined {
  const [then, found] = read.array(decode(stored, 1024), 2, 'listen');
  return then === setting ? read.text(found, 300, 'address') : undefined;
}

/** The port of the last time, else a free one, which is kept from then on. */
export async function listenSomewhere(
  archive: Archive,
  setting: string,
  make: (listen: string) => Link,
): Promise<{ link: Link; listening: string }> {
  const stored = await archive.get('meta', 'listen');
  const before = stored === undefined ? undefined : remembered(stored, setting);
  const free = setting.replace(/:[0-9]+$/, ':0');
  for (const listen of new Set([before ?? setting, free])) {
    const link = make(listen);
    try {
      await link.start();
    } catch (error) {
      await link.stop();
      const taken = isFitError(error) && error.data?.taken === true;
      if (!taken || listen === free) throw error;
      continue;
    }
    const address = present(link.addresses()[0], 'address');
    const port = /\/tcp\/([0-9]+)/.exec(address)?.[1] ?? '0';
    const listening = setting.replace(/[0-9]+$/, port);
    if (listening !== before)
      await archive.batch([{ kind: 'put', space: 'meta', key: 'listen', value: enc(setting, listening) }]);
    return { link, listening };
  }
  throw new FitError('internal', 'no address to listen on');
}
