/** What folders of a container ask for and that takes no daemon: a one-time key. */
import { signOnce } from '../crypto/one-time.ts';
import { type Package, packageStatement } from '../exchange/container.ts';
import { utf8 } from '../lib/bytes.ts';

/** `time`: seconds since 1970. */
export function sealOnce(about: Package, time: number): { readonly time: number; readonly bytes: Uint8Array } {
  return { time, bytes: signOnce(utf8(packageStatement('anonymous', about, time))) };
}
