/**
 * A link in a process of its own. Arguments: identity number, listen address. Prints its address, echoes requests, ends
 * when stdin ends. With `once` as third argument it talks to another link in the same process, stops both and must then
 * end by itself, which shows that nothing is left running.
 */
import { createLibp2pLink, type Libp2pLink } from '../../src/p2p/libp2p-link.ts';
import { binderOf, certificateOf, seedOf } from './links.ts';

const [number, listen, mode] = process.argv.slice(2);

async function start(identity: number): Promise<Libp2pLink> {
  const link = createLibp2pLink({
    seed: seedOf(identity),
    listen: [listen ?? '/ip4/127.0.0.1/tcp/0'],
    binder: binderOf(identity),
  });
  link.handle('/fit/message/1', async (_, body) => body);
  await link.start();
  return link;
}

const link = await start(Number(number));
console.log(link.addresses()[0]);
if (mode === 'once') {
  const other = await start(Number(number) + 1);
  other.learn(link.peer, link.addresses());
  const certificate = certificateOf(Number(number));
  for (let i = 0; i < 20; i += 1)
    await other.request(link.peer, certificate, '/fit/message/1', new Uint8Array(i), { timeoutMs: 5_000 });
  await Promise.all([link.stop(), other.stop()]);
} else {
  process.stdin.resume().on('end', () => void link.stop());
}
