/**
 * Pulling content by bulk requests between two processes on loopback, four under way as a receiver keeps them, beside one raw
 * libp2p stream of the same bytes. In turn, so that a machine's changing load meets both.
 */
import { assert } from '../src/lib/assert.ts';
import { toHex } from '../src/lib/bytes.ts';
import { createLibp2pLink } from '../src/p2p/libp2p-link.ts';
import { connectRaw, LOCAL, openBinder, REPLY_BYTES, startPeer } from './bulk-ends.ts';
import { cpuMs, median, medianRatio, memory, timed } from './measure.ts';
import type { Row } from './report.ts';

const UNDER_WAY = 4;
const BYTES = 256 * 1024 * 1024;
const MIB = BYTES / (1024 * 1024);

export async function measureBulkLink(rounds: number): Promise<Row[]> {
  const other = await startPeer();
  const { pid, peer } = other;
  const link = createLibp2pLink({ seed: new Uint8Array(32).fill(1), listen: [LOCAL], binder: openBinder(1) });
  const plainly = await connectRaw(other);
  try {
    await link.start();
    link.learn(peer, other.link);
    const certificate = toHex(new Uint8Array(32).fill(2));

    const pull = async (): Promise<void> => {
      let left = BYTES / REPLY_BYTES;
      const one = async (): Promise<void> => {
        while (left > 0) {
          left -= 1;
          const options = { timeoutMs: 60_000 };
          const reply = await link.request(peer, certificate, '/fit/bulk/1', new Uint8Array(64), options);
          assert(reply.length === REPLY_BYTES, 'a whole reply');
        }
      };
      await Promise.all(Array.from({ length: UNDER_WAY }, one));
    };
    const raw = () => plainly.pull(BYTES);
    const measured = async (task: () => Promise<void>) => {
      const before = cpuMs(process.pid) + cpuMs(pid);
      const ms = await timed(task);
      return { speed: MIB / (ms / 1000), cpu: cpuMs(process.pid) + cpuMs(pid) - before };
    };

    // Until both ends have compiled what is hot.
    await pull();
    await raw();
    const bulk: { speed: number; cpu: number }[] = [];
    const plain: { speed: number; cpu: number }[] = [];
    for (let round = 0; round < rounds; round += 1) {
      bulk.push(await measured(pull));
      plain.push(await measured(raw));
    }
    const speeds = (of: readonly { readonly speed: number }[]) => of.map(({ speed }) => speed);
    const work = (of: readonly { readonly cpu: number }[]) => median(of.map(({ cpu }) => cpu)) / MIB;
    return [
      {
        id: 'bulk.pull',
        what: `bulk: ${MIB} MiB pulled over loopback`,
        value: median(speeds(bulk)),
        unit: 'MiB/s',
        note: `replies of 1 MiB, ${UNDER_WAY} under way`,
      },
      { id: 'bulk.raw', what: '  one raw libp2p stream of the same', value: median(speeds(plain)), unit: 'MiB/s' },
      { id: 'bulk.ratio', what: '  pulled over raw', value: medianRatio(speeds(bulk), speeds(plain)), unit: '×' },
      { id: 'bulk.cpu', what: '  CPU of both ends', value: work(bulk), unit: 'ms/MiB' },
      { id: 'bulk.rawCpu', what: '  CPU of both ends, raw', value: work(plain), unit: 'ms/MiB' },
      { id: 'bulk.peak', what: '  most memory of the sender', value: memory(pid).peak, unit: 'MB' },
    ];
  } finally {
    await link.stop();
    await plainly.stop();
    await other.stop();
  }
}
