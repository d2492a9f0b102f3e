/**
 * Protocol selection (multistream-select) held to what this network says: its one header and one protocol, byte for byte.
 *
 * js-libp2p reads a selection line's length without bound: on a run of 0xff bytes it goes on byte by byte, in quadratic time
 * and without returning to the event loop, before anybody is authenticated (@libp2p/utils 7.4.1, lpStream). So what arrives
 * is compared here first, and at the first other byte the connection or stream is aborted.
 */
import type { MessageStream, StreamMessageEvent } from '@libp2p/interface';
import { concat, utf8 } from '../lib/bytes.ts';

/** A line is its length in one byte, its text and a line feed. */
function line(text: string): Uint8Array {
  const bytes = utf8(`${text}\n`);
  return concat(Uint8Array.of(bytes.length), bytes);
}

export function selectionOf(protocol: string): Uint8Array {
  return concat(line('/multistream/1.0.0'), line(protocol));
}

/** Attach before anything else reads. Only the first bytes are looked at; the listener is gone after them. */
export function expectSelection(stream: MessageStream, protocols: readonly string[]): void {
  let possible = protocols.map(selectionOf);
  let at = 0;
  const look = (event: StreamMessageEvent): void => {
    for (const byte of event.data.subarray()) {
      possible = possible.filter((one) => one[at] === byte);
      at += 1;
      if (possible.some((one) => one.length === at)) {
        stream.removeEventListener('message', look);
        return;
      }
      if (possible.length > 0) continue;
      stream.removeEventListener('message', look);
      // Whoever waits for a selection must not see these bytes.
      event.stopImmediatePropagation();
      stream.abort(new Error('another protocol than this network’s'));
      return;
    }
  };
  stream.addEventListener('message', look);
}
