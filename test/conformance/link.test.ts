import { createLibp2pLink } from '../../src/p2p/libp2p-link.ts';
import { createMemoryNetwork } from '../../src/p2p/memory-link.ts';
import { binderOf, certificateOf, type LinkSetup, type Started, seedOf, type TestLink } from '../support/links.ts';
import { linkSuite, type World } from './link.ts';

type Create = (
  number: number,
  setup: LinkSetup,
  again: Started | undefined,
  onFault: (peer: string, fault: { readonly code: string }) => void,
) => TestLink;

function worldOf(create: Create): World {
  const links: TestLink[] = [];
  return {
    async start(number, setup = {}, again) {
      const reported: Started['reported'] = [];
      const seen: Started['seen'] = [];
      const link = create(number, setup, again, (peer, { code }) => reported.push({ peer, code }));
      links.push(link);
      link.onPeer(({ peer, certificate }, up) => seen.push({ peer, certificate, up }));
      await link.start();
      return { number, certificate: certificateOf(number), link, reported, seen };
    },
    async close() {
      await Promise.all(links.map((link) => link.stop()));
    },
  };
}

/** Addresses of stopped links are empty, so each is noted when the link starts. */
const lastAddress = new Map<number, string>();

linkSuite('libp2p', () =>
  worldOf((number, setup, again, onFault) => {
    const before = again === undefined ? undefined : lastAddress.get(again.number);
    const link = createLibp2pLink({
      seed: seedOf(number),
      listen: [before ?? '/ip4/127.0.0.1/tcp/0'],
      binder: binderOf(number, setup.binder),
      limits: setup.limits ?? {},
      onFault,
    });
    const { start } = link;
    link.start = async () => {
      await start.call(link);
      lastAddress.set(number, (link.addresses()[0] ?? '').replace(/\/p2p\/.*/, ''));
    };
    return link;
  }),
);

linkSuite('memory', () => {
  const network = createMemoryNetwork();
  return worldOf((number, setup, _again, onFault) =>
    network.link({
      seed: seedOf(number),
      binder: binderOf(number, setup.binder),
      limits: setup.limits ?? {},
      onFault,
    }),
  );
});
