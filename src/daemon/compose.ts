/**
 * The composition root: the only place where the parts of a daemon meet, and its life from start to stop.
 *
 * Order of a start: settings and keys are read, the store is opened (its lock in the kernel says whether another daemon serves
 * this home, also after a SIGKILL), the link listens, the socket answers. Locked, a daemon takes and queues messages and
 * sends requests to the arbiter that were prepared; unlocked, it goes on with everything unfinished.
 */
import { createPublicKey } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Journal, openJournal } from '../archive/journal.ts';
import { openLevelStore } from '../archive/level-store.ts';
import { createArchive } from '../archive/sealed-store.ts';
import type { Store } from '../archive/store.ts';
import { checkBinding } from '../commerce/binding.ts';
import { createEscrowPool } from '../crypto/escrow-pool.ts';
import { identityFault } from '../crypto/pki/chain.ts';
import { peerIdFromText, peerIdText } from '../crypto/transport.ts';
import { AssertionFailed, assert, present } from '../lib/assert.ts';
import { toHex } from '../lib/bytes.ts';
import { type Clock, seconds, systemClock } from '../lib/clock.ts';
import { FitError, isFitError, type PeerFault } from '../lib/errors.ts';
import { ensureDirs, type HomePaths } from '../lib/paths.ts';
import { createDaemonLog } from '../lib/pino-log.ts';
import { systemRng } from '../lib/rng.ts';
import { createLibp2pLink } from '../p2p/libp2p-link.ts';
import { TokenBucket } from '../p2p/limits.ts';
import type { Link } from '../p2p/link.ts';
import { serve } from '../rpc/server.ts';
import { createAgent } from './agent.ts';
import { createArbiterRole } from './arbiter-role.ts';
import { type Config, readConfig } from './config.ts';
import { createConsents } from './consents.ts';
import { createContacts } from './contacts.ts';
import { createContentStore } from './content-store.ts';
import { createContentWork } from './content-work.ts';
import type { Daemon } from './daemon.ts';
import { createDealStore } from './deal-store.ts';
import { createDeals } from './deals.ts';
import { createDeliveries } from './deliveries.ts';
import { createEnds } from './ends.ts';
import { createEvents } from './events.ts';
import { createExchanges } from './exchanges.ts';
import { createHooks } from './hooks.ts';
import { createIdentity } from './identity.ts';
import { openKeyring } from './keyring.ts';
import { createLanes } from './lanes.ts';
import { lanePlace, listenAddress, listenSomewhere } from './listen.ts';
import { createOutbox, decodeAck } from './outbox.ts';
import type { Parts } from './parts.ts';
import { createPolicy } from './policy.ts';
import { createReception, HELLO } from './reception.ts';
import { serveRoles } from './roles.ts';
import { watchSpool } from './spool.ts';
import { createTimestamps } from './timestamps.ts';
import { createUploads } from './uploads.ts';
import { createViews } from './views.ts';

/** A responder proves while it verifies. Workers start with their first job and end when idle. */
const ESCROW_THREADS = 2;

/** Further greetings of a contact that did not answer the one at the start. */
const GREETINGS = 4;
const FIRST_GREETING_RETRY_MS = 500;

export interface StartOptions {
  readonly passphrase?: string | undefined;
  /** Ports that tests replace. */
  readonly clock?: Clock;
  readonly openStore?: (path: string) => Promise<Store>;
  /** The built escrow worker, beside the program. */
  readonly worker: URL;
}

/** Faults that are logged and told. */
const FAULTS_PER_SECOND = 1;
const FAULTS_AT_ONCE = 20;
const MISMATCH = 'what was sent is not what the note names; nothing was signed';
const isMismatch = (detail: string | undefined): boolean => detail === 'wrong-leaves' || detail === 'wrong-ciphertext';

export async function startDaemon(paths: HomePaths, options: StartOptions): Promise<Daemon> {
  const clock = options.clock ?? systemClock;
  const rng = systemRng;
  const config: Config = readConfig(paths.config);
  const keyring = openKeyring(paths.keys, clock);
  ensureDirs(paths);
  const log = createDaemonLog({ level: config.log.level });
  const store = await openAlone(options.openStore ?? openLevelStore, paths.archive);
  const undo: (() => Promise<void> | void)[] = [];
  const unwind = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) {
      try {
        await step();
      } catch (error) {
        log.warn({ error }, 'something did not stop cleanly');
      }
    }
  };
  try {
    const archive = await createArchive(store, { spoolKey: keyring.spoolKey, headPath: `${paths.archive}.head` });
    undo.push(() => archive.close());
    return await assemble({ paths, options, clock, rng, config, keyring, log, archive, undo, unwind });
  } catch (error) {
    await unwind();
    throw error;
  }
}

/** The lock on the store is the lock on the home. */
async function openAlone(open: (path: string) => Promise<Store>, path: string): Promise<Store> {
  try {
    return await open(path);
  } catch (error) {
    if (!isFitError(error) || error.code !== 'daemon-running') throw error;
    throw new FitError('daemon-running', 'a daemon is running for this home already', {
      hint: 'fit daemon status',
      cause: error,
    });
  }
}

interface Setting {
  readonly paths: HomePaths;
  readonly options: StartOptions;
  readonly clock: Clock;
  readonly rng: typeof systemRng;
  readonly config: Config;
  readonly keyring: ReturnType<typeof openKeyring>;
  readonly log: ReturnType<typeof createDaemonLog>;
  readonly archive: Awaited<ReturnType<typeof createArchive>>;
  readonly undo: (() => Promise<void> | void)[];
  readonly unwind: () => Promise<void>;
}

async function assemble(setting: Setting): Promise<Daemon> {
  const { paths, options, clock, rng, config, keyring, log, archive, undo, unwind } = setting;
  const events = createEvents(clock);
  // Before anything happens; they run once the socket answers.
  const hooks = createHooks({ hooks: config.hook, paths, environment: process.env, events, log });
  const startedMs = clock.now();
  let journal: Journal | undefined;
  let open = false;
  /** A task may be overtaken by `fit lock`: then it ends like any other that needs the keys. */
  const theJournal = (): Journal => {
    if (journal === undefined) throw new FitError('locked', 'the daemon is locked', { hint: 'fit unlock' });
    return journal;
  };

  const binder = {
    hello: () => keyring.binding,
    accept: async (peer: string, hello: Uint8Array) =>
      toHex(checkBinding(peerIdFromText(peer), hello, seconds(clock.now())).hash),
  };
  /** A peer may break the protocol as often as it likes, but not fill the log and push all other events out with it. */
  const faults = new TokenBucket(FAULTS_PER_SECOND, FAULTS_AT_ONCE, clock);
  const onFault = (peer: string, fault: PeerFault): void => {
    if (!faults.take()) return;
    log.warn({ peer, code: fault.code }, 'a peer broke the protocol');
    events.emit({ kind: 'peer-fault', detail: fault.code });
  };
  const makeLink = (listen: string): Link =>
    createLibp2pLink({ seed: keyring.transportSeed, listen: [listenAddress(listen)], binder, onFault });
  const { link, listening } = await listenSomewhere(archive, config.listen, makeLink);
  undo.push(() => link.stop());

  const identity = createIdentity({ archive, keyring, config, clock, rng });
  await identity.load();
  /** Tells a contact that waits for us that we are here. */
  const greet = (certificate: string, attempt = 0): void => {
    const peer = contacts.peerOf(certificate);
    if (peer === undefined) return;
    link
      .request(peer, certificate, '/fit/message/1', HELLO, { timeoutMs: 10_000 })
      .then((reply) => deals.heard(certificate, decodeAck(reply).peerTime))
      .catch((error) => {
        log.debug({ error }, 'a contact is away');
        // It may only not have noticed yet that our last connection is gone.
        if (attempt >= GREETINGS || !open) return;
        clock.at(clock.now() + FIRST_GREETING_RETRY_MS * 2 ** attempt, () => open && greet(certificate, attempt + 1));
      });
  };
  const inUse = (certificate: string): boolean => deals.isOpenWith(certificate);
  const contacts = createContacts({
    archive,
    journal: theJournal,
    identity,
    link,
    clock,
    events,
    inUse,
    onAdded: greet,
  });
  await contacts.loadBook();
  const dealStore = createDealStore(archive);
  const consents = createConsents(archive);
  const policy = createPolicy({
    archive,
    clock,
    path: paths.policy,
    certificateOf: (name) => contacts.certificateOf(name),
    onEdited: () => {
      events.emit({ kind: 'policy-edited' });
      if (open) deals.policyChanged().catch((error) => log.error({ error }, 'consents could not be withdrawn'));
    },
  });
  undo.push(() => policy.stop());
  const pool = createEscrowPool({ worker: options.worker, threads: ESCROW_THREADS });
  undo.push(() => pool.close());

  const contentWork = createContentWork(new URL('./content-worker.js', options.worker));
  undo.push(() => contentWork.close());
  const place = lanePlace(config.listen, config.bulk.lane);
  const lanes = createLanes({ worker: new URL('./lane-worker.js', options.worker), place, rng, link });
  undo.push(() => lanes.pause());
  const contents = createContentStore(archive, paths.content);
  const deliveries = createDeliveries(
    { archive, store: dealStore, consents, contacts, link, lanes, clock, log, events, rng, outbox: () => parts.outbox },
    contents,
    contentWork,
  );

  const timestamps = createTimestamps({ config, contacts, identity, link, rng });
  undo.push(() => timestamps.stop());

  const parts: Parts = {
    deliveries,
    timestamps,
    archive,
    journal: theJournal,
    store: dealStore,
    consents,
    policy,
    keyring,
    identity,
    contacts,
    link,
    clock,
    rng,
    log,
    events,
    config,
    peerText: peerIdText,
    outbox: createOutbox({
      archive,
      link,
      clock,
      log,
      peerOf: (certificate) => contacts.peerOf(certificate),
      onAck: (letter, ack) => {
        deals.acknowledged(letter, ack);
        parts.exchanges.acknowledged(letter, ack);
        deals.transfers.acknowledged(letter, ack);
      },
    }),
    exchanges: createExchanges({
      archive,
      journal: theJournal,
      keyring,
      pool,
      get outbox() {
        return parts.outbox;
      },
      link,
      clock,
      log,
      patienceMs: config.exchange.patience * 1000,
      exclusive: (deal, task) => deals.exclusive(deal, task),
      content: deliveries,
      ready: async (from, deal, document) =>
        (await deals.transfers.ready(from, deal, document)) ?? deals.ready(from, deal, document),
      admit: (from, record) => deals.admit(from, record),
      consentStands: (id) => deals.consentStands(id),
      recording: (exchange, state, consume) => deals.recording(exchange, state, consume),
    }),
  };
  const deals = createDeals(parts);
  const views = createViews(parts, deals);
  const uploads = createUploads({ root: join(paths.content, 'brought'), clock, log, work: contentWork });
  await uploads.clear();
  undo.push(() => uploads.end());
  const arbiter = createArbiterRole({
    uploads,
    archive,
    journal: theJournal,
    keyring,
    clock,
    log,
    events,
    self: () => identity.self(),
    retention: config.arbiter.retention,
  });
  await arbiter.load();
  undo.push(() => parts.outbox.stop());
  undo.push(() => parts.exchanges.stop());
  undo.push(() => deals.transfers.stop());
  undo.push(() => deliveries.pause());

  /** Spool and sweep timers of the present state, locked or unlocked. */
  const { sealed } = contents;
  const spooling = { archive, link, clock, log, locked: () => keyring.locked, sealed };
  let endPhase = await watchSpool(spooling);
  undo.push(() => endPhase());

  const duringPhase = (cancel: () => void): void => {
    const before = endPhase;
    endPhase = () => {
      before();
      cancel();
    };
  };

  const ends = createEnds({ deals, events, clock, log, isLocked: () => keyring.locked });
  undo.push(() => ends.stop());

  // What arrived is not what was offered, and nothing was signed: neither side is left waiting for the offer to run out.
  undo.push(
    events.listen(undefined, ({ kind, deal, detail }) => {
      if (kind !== 'peer-fault' || deal === undefined || !isMismatch(detail)) return;
      deals.giveUp(deal, MISMATCH).catch((error) => log.warn({ deal, error }, 'a delivery could not be refused'));
    }),
  );

  let unlocking: Promise<void> | undefined;
  const reception = await createReception({
    archive,
    clock,
    log,
    contacts,
    deals,
    exchanges: parts.exchanges,
    outbox: parts.outbox,
    isOpen: () => open,
    unlocking: () => unlocking,
    isLocked: () => keyring.locked,
    untilLocked: duringPhase,
    onFault,
    crash: (error) => daemon.crash(error),
  });
  for (const protocol of ['/fit/message/1', '/fit/exchange/1'] as const) {
    link.handle(protocol, (from, body) => reception.answer(protocol, from, body));
  }
  link.handle('/fit/bulk/1', async (from, body) => {
    if (!open) throw new FitError('locked', 'the daemon is locked');
    return deliveries.serve(from, body);
  });
  serveRoles(config.roles, {
    archive,
    link,
    keyring,
    clock,
    arbiter,
    isOpen: () => open,
    unlocking: () => unlocking,
  });

  link.onPeer((remote, up) => {
    const contact = contacts.of(remote.certificate)?.name;
    events.emit({ kind: up ? 'online' : 'offline', ...(contact === undefined ? {} : { contact }) });
    if (!up) return;
    parts.outbox.wake(remote.certificate);
    deliveries.wake();
  });

  /** Puts away everything that needs keys. */
  const closeUp = async (): Promise<void> => {
    open = false;
    parts.exchanges.pause();
    deals.transfers.pause();
    deliveries.pause();
    journal = undefined;
    archive.lock();
    keyring.lock();
    contacts.unload();
    dealStore.unload();
    consents.unload();
    policy.unload();
    endPhase();
    await uploads.end();
    endPhase = await watchSpool(spooling);
  };

  const openUp = async (): Promise<void> => {
    const secrets = keyring.secrets();
    try {
      archive.unlock(secrets.archiveKey);
      journal = await openJournal(archive);
      await contacts.load();
      // One write with the messages that tell it: a card that changed and was not told would never be.
      await identity.refresh(link.addresses(), (card) => deals.sendCard(card));
      await dealStore.load();
      await consents.load();
      await policy.load();
      endPhase();
      endPhase = ends.sleep;
      await parts.exchanges.resume();
      await deals.transfers.resume();
      await deliveries.resume();
      await reception.drain();
      open = true;
      // What a connection of the last run held has nobody to decide it any more.
      await deals.approvals.sweep((consent) => consent.held);
      await deals.statements.recover();
      await deals.policyChanged();
    } catch (error) {
      await closeUp();
      throw error;
    }
    await ends.sweep().catch((error) => log.error({ error }, 'offers could not be ended'));
    events.emit({ kind: 'unlocked' });
    for (const certificate of contacts.certificates()) greet(certificate);
  };

  let stopping: Promise<void> | undefined;
  let resolveStopped: () => void = () => {};
  const stopped = new Promise<void>((resolve) => {
    resolveStopped = resolve;
  });

  const daemon: Daemon = {
    parts,
    deals,
    views,
    arbiter,
    paths,
    startedMs,
    stopped,
    get open() {
      return open;
    },
    async unlock(passphrase) {
      // What another connection's passphrase does is waited for; this one's is judged by itself.
      while (unlocking !== undefined) await unlocking.catch(() => {});
      if (!keyring.locked) {
        await keyring.check(passphrase);
        return;
      }
      unlocking = keyring
        .unlock(passphrase)
        .then(openUp)
        .finally(() => {
          unlocking = undefined;
        });
      await unlocking;
    },
    async lock() {
      await unlocking?.catch(() => {});
      if (keyring.locked) return;
      await closeUp();
      events.emit({ kind: 'locked' });
    },
    async replaceIdentity(chain, other) {
      const leaf = chain[0];
      if (leaf === undefined) throw new FitError('bad-key', 'there is no certificate in it');
      const fault = identityFault(leaf);
      if (fault !== null) throw new FitError('bad-key', fault.message);
      const own = present(keyring.chain[0], 'certificate');
      const key =
        other === undefined ? own.publicKey : createPublicKey(other.key.export({ format: 'pem', type: 'pkcs8' }));
      if (!leaf.publicKey.equals(key)) throw new FitError('bad-key', 'the certificate is for another key');
      if (config.roles.includes('arbiter')) {
        throw new FitError('wrong-state', 'exchanges name an arbiter by its certificate', {
          hint: 'make a new trader for the new certificate',
        });
      }
      await keyring.replaceIdentity(chain, other);
      await identity.refresh(link.addresses());
    },
    stop() {
      stopping ??= (async () => {
        log.info({}, 'stopping');
        await unwind();
        rmSync(paths.lock, { force: true });
        resolveStopped();
      })();
      return stopping;
    },
    crash(error) {
      log.error({ error }, 'stopping because of a bug; the next start continues from what was recorded');
      process.exit(70);
    },
  };

  // Before anything new is posted: what waits comes first, and its keys are taken.
  await parts.outbox.load();
  if (options.passphrase !== undefined) await daemon.unlock(options.passphrase);
  const server = await serve((connection) => createAgent(daemon, connection), paths.socket, {
    onInternalError: (error, method) => {
      log.error({ error, method }, 'a request failed');
      if (error instanceof AssertionFailed) daemon.crash(error);
    },
  });
  undo.push(() => server.close());
  undo.push(() => hooks.stop());
  hooks.begin();
  writeFileSync(paths.lock, `${process.pid}\n`, { mode: 0o600 });
  log.info({ pid: process.pid, address: listening }, 'ready');
  assert(link.addresses().length > 0, 'a daemon listens');
  return daemon;
}
