/**
 * The other end of bench/bulk-ends.ts: a link that answers bulk requests, and a plain libp2p node that streams.
 * `node bulk-peer.js`; says where both listen as one line of JSON. Ends with its standard input.
 */
import '../src/p2p/polyfill.ts';
import { randomBytes } from 'node:crypto';
import type { Stream } from '@libp2p/interface';
import { createLibp2pLink } from '../src/p2p/libp2p-link.ts';
import { LOCAL, openBinder, plainNode, RAW, REPLY_BYTES } from './bulk-ends.ts';

const reply = new Uint8Array(randomBytes(REPLY_BYTES));
const RAW_CHUNK = 64 * 1024;

/** As fast as the stream takes it. */
async function stream(to: Stream, bytes: number): Promise<void> {
  for (let sent = 0; sent < bytes; sent += RAW_CHUNK) {
    const chunk = reply.subarray(sent % REPLY_BYTES, (sent % REPLY_BYTES) + RAW_CHUNK);
    if (!to.send(chunk) && to.writableNeedsDrain)
      await new Promise((resolve) => to.addEventListener('drain', resolve, { once: true }));
  }
  await to.close();
}

const link = createLibp2pLink({ seed: new Uint8Array(32).fill(2), listen: [LOCAL], binder: openBinder(2) });
link.handle('/fit/bulk/1', async () => reply);
await link.start();
const node = await plainNode([LOCAL]);
/** The request is the number of bytes. */
await node.handle(RAW, (to) =>
  to.addEventListener(
    'message',
    ({ data }) => {
      const request = data.subarray();
      void stream(to, Number(new DataView(request.buffer, request.byteOffset, 8).getBigUint64(0)));
    },
    { once: true },
  ),
);

const raw = node.getMultiaddrs().map(String);
process.stdout.write(`${JSON.stringify({ peer: link.peer, link: link.addresses(), raw })}\n`);
process.stdin.resume().once('end', () => {
  void Promise.all([link.stop(), node.stop()]).then(() => process.exit(0));
});
