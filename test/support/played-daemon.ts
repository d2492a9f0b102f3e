/** A daemon that a test plays for `fit ui`: the real server over answers that the test gives and changes. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { FitError } from '../../src/lib/errors.ts';
import { homePaths } from '../../src/lib/paths.ts';
import type { Agent, FitEvent, StatusResult } from '../../src/rpc/agent.ts';
import { type Connection, serve } from '../../src/rpc/server.ts';

export interface PlayedDaemon {
  /** Tells everybody who is connected that everything may have changed. */
  changed(): void;
  close(): Promise<void>;
}

const STARTED = '2026-11-20T12:00:00Z';

function status(home: string): StatusResult {
  return {
    pid: process.pid,
    version: '0.1.0',
    name: 'Trader elm',
    home,
    locked: false,
    addresses: [],
    roles: [],
    certificate: 'cd'.repeat(32),
    started: STARTED,
    received: { arbiter: 0 },
    deals: 0,
    waiting: 0,
  };
}

/** Serves in `home`, which is made a trader's; what `answers` does not say is empty. */
export async function playDaemon(home: string, answers: Partial<Agent>): Promise<PlayedDaemon> {
  const paths = homePaths({ FIT_HOME: home });
  mkdirSync(dirname(paths.socket), { recursive: true, mode: 0o700 });
  mkdirSync(dirname(paths.config), { recursive: true });
  writeFileSync(paths.config, 'name = "Trader elm"\n');
  const connections = new Set<Connection>();
  let seq = 0;
  const played: Partial<Agent> = {
    status: async () => status(home),
    contactList: async () => ({ contacts: [] }),
    dealList: async () => ({ deals: [] }),
    approveList: async () => ({ requests: [] }),
    arbiterCases: async () => ({ cases: [] }),
    subscribe: async () => ({ seq }),
    async configGet() {
      throw new FitError('not-found', 'no such setting');
    },
    ...answers,
  };
  const server = await serve((connection) => {
    connections.add(connection);
    connection.onClose(() => connections.delete(connection));
    return played as Agent;
  }, paths.socket);
  return {
    changed() {
      seq += 1;
      const event: FitEvent = { seq, at: STARTED, kind: 'unlocked' };
      for (const connection of connections) connection.notify(event);
    },
    close: () => server.close(),
  };
}
