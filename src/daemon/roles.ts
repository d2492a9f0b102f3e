/**
 * What this trader does for others as arbiter and as timestamp authority, once its configuration says so. Guarantee: one address
 * gets no more than its share, and nothing is decided or signed while the daemon is locked.
 */
import type { Archive } from '../archive/sealed-store.ts';
import { isPiece } from '../exchange/pieces.ts';
import type { Clock } from '../lib/clock.ts';
import { FitError } from '../lib/errors.ts';
import type { Link, Protocol } from '../p2p/link.ts';
import { accountOf, createAllowance, OF_AN_ADDRESS, OF_BROUGHT } from './allowance.ts';
import type { ArbiterRole } from './arbiter-role.ts';
import type { Config } from './config.ts';
import type { Keyring } from './keyring.ts';
import { createTimestampRole } from './timestamp-role.ts';

export interface RolesPorts {
  readonly archive: Archive;
  readonly link: Pick<Link, 'handle'>;
  readonly keyring: Keyring;
  readonly clock: Clock;
  readonly arbiter: Pick<ArbiterRole, 'handle'>;
  isOpen(): boolean;
  unlocking(): Promise<void> | undefined;
}

export function serveRoles(roles: Config['roles'], ports: RolesPorts): void {
  const { archive, link, keyring, clock, arbiter } = ports;

  const serve = (protocol: Protocol, who: string, handle: ArbiterRole['handle']): void => {
    const [asking, bringing] = [createAllowance(clock, OF_AN_ADDRESS), createAllowance(clock, OF_BROUGHT)];
    link.handle(protocol, async ({ peer, host }, body) => {
      const account = host === undefined ? peer : accountOf(host);
      const mayAsk = isPiece(body) ? bringing.take(account, body.length) : asking.take(account, 1);
      if (!mayAsk) throw new FitError('busy', 'too many requests from one address');
      if (!ports.isOpen()) await ports.unlocking()?.catch(() => {});
      if (!ports.isOpen()) throw new FitError('locked', `the ${who} is locked`);
      return handle(body, account);
    });
  };

  if (roles.includes('arbiter')) serve('/fit/arbiter/1', 'arbiter', arbiter.handle);
  if (roles.includes('timestamp')) {
    const role = createTimestampRole({ archive, keyring, clock });
    serve('/fit/timestamp/1', 'timestamp authority', async (body) => role.handle(body));
  }
}
