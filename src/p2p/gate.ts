/**
 * Who may connect: limits per host before anything expensive happens, so that one host cannot use up what all share, and
 * no entry for a peer that is out for a while.
 */
import type { ConnectionGater, MultiaddrConnection, PeerId } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import type { LinkLimits } from './limits.ts';
import { expectSelection } from './selection.ts';

/** The one way to encrypt a connection. */
const ENCRYPTION = '/noise';

interface Host {
  open: number;
  unproven: number;
}

/** `ip` and `ip:port` of a TCP address. */
function endOf(address: Multiaddr): { readonly host: string; readonly end: string } {
  const [ip, tcp] = address.getComponents();
  const host = ip?.value ?? '';
  return { host, end: `${host}:${tcp?.value ?? ''}` };
}

/** The address that a connection comes from or goes to, without its port: what limits per host count by. */
export function hostOf(address: Multiaddr): string {
  return endOf(address).host;
}

export class Gate implements ConnectionGater {
  readonly #limits: LinkLimits;
  readonly #isBanned: (peer: string) => boolean;
  readonly #hosts = new Map<string, Host>();
  /** Remote ends of inbound connections whose identity is not proven yet. */
  readonly #unproven = new Set<string>();
  #closed = false;

  constructor(limits: LinkLimits, isBanned: (peer: string) => boolean) {
    this.#limits = limits;
    this.#isBanned = isBanned;
  }

  /** Lets nobody in any more. */
  close(): void {
    this.#closed = true;
  }

  denyInboundConnection = (connection: MultiaddrConnection): boolean => {
    if (this.#closed) return true;
    expectSelection(connection, [ENCRYPTION]);
    const { host, end } = endOf(connection.remoteAddr);
    const counts = this.#hosts.get(host) ?? { open: 0, unproven: 0 };
    if (counts.open >= this.#limits.connectionsPerHost || counts.unproven >= this.#limits.unprovenPerHost) return true;
    counts.open += 1;
    counts.unproven += 1;
    this.#hosts.set(host, counts);
    this.#unproven.add(end);
    const closed = () => {
      this.proven(connection.remoteAddr);
      counts.open -= 1;
      if (counts.open === 0) this.#hosts.delete(host);
    };
    if (connection.status === 'open') connection.addEventListener('close', closed, { once: true });
    else closed();
    return false;
  };

  /** Denies none: the earliest moment at which a dialled connection can be watched. */
  denyOutboundConnection = (_peer: PeerId, connection: MultiaddrConnection): boolean => {
    expectSelection(connection, [ENCRYPTION]);
    return false;
  };

  denyInboundEncryptedConnection = (peer: PeerId): boolean => this.#isBanned(peer.toString());

  /** The connection from this address has a proven identity (or is gone). */
  proven(address: Multiaddr): void {
    const { host, end } = endOf(address);
    if (!this.#unproven.delete(end)) return;
    const counts = this.#hosts.get(host);
    if (counts !== undefined) counts.unproven -= 1;
  }
}
