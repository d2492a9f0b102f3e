/** The parts of a running daemon, as they see each other; put together in compose.ts. */
import type { Journal } from '../archive/journal.ts';
import type { Archive } from '../archive/sealed-store.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { Rng } from '../lib/rng.ts';
import type { Link } from '../p2p/link.ts';
import type { Config } from './config.ts';
import type { Consents } from './consents.ts';
import type { Contacts } from './contacts.ts';
import type { DealStore } from './deal-store.ts';
import type { Deliveries } from './deliveries.ts';
import type { Events } from './events.ts';
import type { Exchanges } from './exchanges.ts';
import type { Identity } from './identity.ts';
import type { Keyring } from './keyring.ts';
import type { Outbox } from './outbox.ts';
import type { Policy } from './policy/port.ts';
import type { Timestamps } from './timestamps.ts';

export interface Parts {
  readonly archive: Archive;
  /** There while unlocked. */
  readonly journal: () => Journal;
  readonly store: DealStore;
  readonly consents: Consents;
  readonly policy: Policy;
  readonly keyring: Keyring;
  readonly identity: Identity;
  readonly contacts: Contacts;
  readonly outbox: Outbox;
  readonly exchanges: Exchanges;
  readonly deliveries: Deliveries;
  readonly timestamps: Timestamps;
  readonly link: Link;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  readonly events: Events;
  readonly config: Config;
  readonly peerText: (peer: Uint8Array) => string;
}
