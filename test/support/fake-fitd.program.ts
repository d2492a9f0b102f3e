/**
 * A `fitd` for tests of the command line: the real socket server over an agent that keeps deals in memory and signs
 * nothing. Same surface as fitd(8): `init` and `run`.
 */
import { createHash } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { exitCodeOf, FitError, isFitError } from '../../src/lib/errors.ts';
import { ensureDirs, homePaths } from '../../src/lib/paths.ts';
import type {
  Agent,
  ContactResult,
  DealResult,
  DealStateName,
  DealSummary,
  EventKind,
  StatusResult,
} from '../../src/rpc/agent.ts';
import type { ApprovalRequest } from '../../src/rpc/approvals.ts';
import { type Connection, serve } from '../../src/rpc/server.ts';

const WORDS = 'amber canoe divide eagle fancy giant habit igloo jacket kettle lemon magnet napkin oasis paddle quartz';
const NOW = '2026-11-20T12:00:00Z';
const paths = homePaths();
const secretFile = `${paths.keys}/passphrase`;

/** Written as `--name value` or `--name=value`. */
function optionsNamed(name: string): string[] {
  return process.argv.flatMap((arg, at) => {
    if (arg.startsWith(`${name}=`)) return [arg.slice(name.length + 1)];
    return process.argv[at - 1] === name ? [arg] : [];
  });
}

function option(name: string): string | undefined {
  return optionsNamed(name)[0];
}

function passphrase(): string | undefined {
  const fd = option('--passphrase-fd');
  return fd === undefined ? undefined : readFileSync(Number(fd), 'utf8').split('\n')[0];
}

function isRight(given: string): boolean {
  return readFileSync(secretFile, 'utf8') === given;
}

function wrongPassphrase(): FitError {
  return new FitError('wrong-passphrase', 'wrong passphrase', { hint: 'try again' });
}

function init(): void {
  if (existsSync(paths.config)) throw new FitError('home-exists', 'there is a trader here already');
  ensureDirs(paths);
  mkdirSync(paths.keys, { recursive: true });
  writeFileSync(secretFile, passphrase() ?? '');
  writeFileSync(paths.config, `name = "${option('--name')}"\n`);
  const roles = optionsNamed('--role');
  process.stdout.write(`${JSON.stringify({ schema: 1, name: option('--name'), home: paths.home, roles })}\n`);
}

interface Stored {
  readonly deal: string;
  versions: string[];
  state: DealStateName;
  by: 'you' | 'them';
}

const deals = new Map<string, Stored>();
const contacts = new Map<string, ContactResult>();
const waiting = new Set<() => void>();
const settings = new Map([['exchange.patience', '2m']]);
let locked = true;
let secret = '';
let seq = 0;
const listeners = new Set<Connection>();

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

function find(id: string): Stored {
  const found = [...deals.values()].filter((one) => one.deal.startsWith(id));
  if (found.length > 1) throw new FitError('ambiguous', 'several deals begin so', { hint: 'give more of the id' });
  const [deal] = found;
  if (deal === undefined) throw new FitError('not-found', 'no such deal', { hint: 'fit deal list' });
  return deal;
}

function current(deal: Stored): string {
  return deal.versions.at(-1) ?? '';
}

function tell(kind: EventKind, deal: Stored): void {
  for (const one of listeners) one.notify({ seq: ++seq, at: NOW, kind, deal: deal.deal, state: deal.state });
  for (const wake of waiting) wake();
}

function summary(deal: Stored): DealSummary {
  return {
    deal: deal.deal,
    // What a hostile peer would choose.
    kind: 'contract' as const,
    references: [],
    title: 'Sale of a \u001b[31mbicycle\u202e',
    state: deal.state,
    with: 'oak',
    verified: false,
    version: deal.versions.length,
    document: sha256(current(deal)),
    offeredBy: 'them' as const,
    waitsFor: 'them',
    until: '2026-11-27T12:00:00Z',
    updated: NOW,
  };
}

function full(deal: Stored): DealResult {
  return {
    ...summary(deal),
    arbiter: { card: 'fit1notary', contact: 'notary', name: 'Notary', fingerprint: 'ab'.repeat(32), mode: 'invisible' },
    check: 'none',
    transfer: null,
    offeredBy: deal.by,
    versions: deal.versions.map((text, at) => ({ version: at + 1, document: sha256(text), by: 'you', at: NOW })),
    transactions: [{ id: 't1', parent: null, kind: 'message', by: 'them', at: NOW, text: 'hi\u001b]0;owned\u0007\r' }],
    exchange: null,
    via: deal.state === 'contracted' ? 'peer' : null,
    reason: null,
  };
}

function status(): StatusResult {
  return {
    pid: process.pid,
    version: '0.1.0',
    name: 'Trader Elm',
    home: paths.home,
    locked,
    addresses: ['/ip4/127.0.0.1/tcp/7440'],
    roles: [],
    certificate: 'cd'.repeat(32),
    started: NOW,
    received: { arbiter: 0 },
    deals: deals.size,
    waiting: 0,
  };
}

function notThere(): never {
  throw new FitError('not-found', 'there is no such request');
}

function agentFor(connection: Connection, stop: () => void): Agent {
  const consent = () => {
    if (locked) throw new FitError('locked', 'the keys are locked', { hint: 'fit unlock' });
    if (!connection.proven)
      throw new FitError('needs-passphrase', 'this needs the passphrase', { hint: 'give --passphrase-fd' });
  };
  /** Requests that this connection holds: what each does when it is granted. */
  const held = new Map<string, { request: ApprovalRequest; text: string; sign: () => void }>();
  const hold = (kind: ApprovalRequest['kind'], deal: Stored, text: string, sign: () => void): never => {
    const id = `h${held.size}k7q2m3xd9a`;
    const who = { contact: 'oak', name: 'Oak', fingerprint: 'ef'.repeat(32) };
    const request: ApprovalRequest = {
      id,
      kind,
      deal: deal.deal,
      title: 'Sale',
      words: 'zoo zoo zoo zoo zoo zoo',
      digest: sha256(text),
      peer: { ...who, verified: false },
      arbiter: { ...who, contact: 'notary', mode: 'invisible' },
      record: { role: 'originator', notAfter: NOW, margin: 90_000, check: 'none' },
      items: [],
      fairness: 'if they stop half-way, nobody is bound',
      asker: { pid: null, name: 'fit', command: null, known: 'unknown' },
      asked: NOW,
      expires: NOW,
      state: 'pending',
      why: '',
      held: true,
      decision: null,
    };
    held.set(id, { request, text, sign });
    throw new FitError('needs-approval', `request ${id} waits`, { data: { request } });
  };
  const put = (deal: Stored, text: string, asked: { readonly dryRun?: boolean; readonly hold?: boolean }) => {
    if (asked.hold === true)
      return hold('offer', deal, text, () => {
        deal.versions.push(text);
        deals.set(deal.deal, deal);
        tell('offer', deal);
      });
    if (asked.dryRun !== true) {
      consent();
      deal.versions.push(text);
      deals.set(deal.deal, deal);
      tell('offer', deal);
    }
    return { deal: deal.deal, document: sha256(text), state: deal.state, text, warnings: ['oak is not verified'] };
  };
  const end = (id: string, state: DealStateName) => {
    const deal = find(id);
    deal.state = state;
    tell('contract', deal);
    return { deal: deal.deal, document: sha256(current(deal)), state, warnings: [] };
  };
  const agent: Partial<Agent> = {
    status: async () => status(),
    async unlock(params) {
      if (!isRight(params.passphrase)) throw wrongPassphrase();
      secret = params.passphrase;
      locked = false;
      return status();
    },
    async lock() {
      locked = true;
      return status();
    },
    async prove(params) {
      if (!isRight(params.passphrase)) throw wrongPassphrase();
      connection.proven = true;
      return { proven: true };
    },
    async stop() {
      stop();
      return { stopped: true };
    },
    whoami: async () => ({
      name: 'Trader Elm',
      fingerprint: 'cd'.repeat(32),
      peer: '12D3Koo',
      addresses: [],
      roles: [],
      notAfter: NOW,
      recipient: null,
    }),
    card: async () => ({ card: 'fit1qqqq', serial: 1 }),
    async contactAdd(params) {
      if (!params.card.startsWith('fit1')) throw new FitError('bad-card', 'this is not a contact card');
      const contact: ContactResult = {
        contact: params.as,
        name: 'Oak\u009b31m',
        fingerprint: 'ef'.repeat(32),
        peer: '12D3Koo',
        addresses: [],
        roles: [],
        words: WORDS,
        verified: false,
        attested: false,
        online: false,
        serial: 1,
        added: NOW,
        recipient: null,
      };
      contacts.set(params.as, contact);
      return contact;
    },
    contactList: async () => ({ contacts: [...contacts.values()] }),
    async contactShow(params) {
      const contact = contacts.get(params.contact);
      if (contact === undefined) throw new FitError('not-found', 'no such contact', { hint: 'fit contact list' });
      return contact;
    },
    async contactVerify(params) {
      const contact = contacts.get(params.contact);
      if (contact === undefined) throw new FitError('not-found', 'no such contact');
      if (params.words !== WORDS) throw new FitError('words-differ', 'the words differ: it is someone else');
      const verified = { ...contact, verified: true };
      contacts.set(params.contact, verified);
      return verified;
    },
    async contactRemove(params) {
      contacts.delete(params.contact);
      return { removed: params.contact };
    },
    async dealPropose(params) {
      const deal: Stored = { deal: `k7q2m3xd9a0${deals.size}`, versions: [], state: 'offered', by: 'you' };
      return put(deal, Buffer.from(params.document, 'base64').toString(), params);
    },
    dealCounter: async (params) => put(find(params.deal), Buffer.from(params.document, 'base64').toString(), params),
    async approveShow({ request: id }) {
      const { request, text } = held.get(id) ?? notThere();
      const facts = { ...request, contact: 'oak', certificate: '', verified: false, template: '', amounts: [] };
      const verdict = { outcome: 'ask' as const, rule: null, why: '', trace: [] };
      return {
        request,
        text: Buffer.from(text).toString('base64'),
        verdict: {
          ...verdict,
          facts: {
            ...facts,
            arbiter: { contact: null, certificate: '' },
            mode: 'invisible' as const,
            notAfter: NOW,
            time: NOW,
          },
        },
      };
    },
    async approveGrant({ request: id }) {
      consent();
      const { request, sign } = held.get(id) ?? notThere();
      sign();
      held.delete(id);
      return { request, deal: request.deal, state: find(request.deal).state };
    },
    async approveRefuse({ request: id }) {
      const { request } = held.get(id) ?? notThere();
      held.delete(id);
      return { request };
    },
    async dealAccept(params) {
      const deal = find(params.deal);
      if (params.hold === true) {
        const text = current(deal);
        return hold('acceptance', deal, text, () => {
          if (current(deal) !== text)
            throw new FitError('wrong-state', 'the offer changed while you were reading', { hint: 'fit deal diff' });
          end(params.deal, 'contracted');
        });
      }
      consent();
      if (params.document !== undefined && params.document !== sha256(current(deal))) {
        throw new FitError('wrong-state', 'the offer changed while you were reading', { hint: 'fit deal diff' });
      }
      return end(params.deal, 'contracted');
    },
    dealDecline: async (params) => end(params.deal, 'declined'),
    dealWithdraw: async (params) => end(params.deal, 'withdrawn'),
    dealAbort: async (params) => end(params.deal, 'aborted'),
    dealList: async () => ({ deals: [...deals.values()].map(summary) }),
    dealShow: async (params) => full(find(params.deal)),
    async dealText(params) {
      const deal = find(params.deal);
      const version = params.version ?? deal.versions.length;
      const text = deal.versions[version - 1];
      if (text === undefined) throw new FitError('not-found', 'no such version');
      return { deal: deal.deal, version, document: sha256(text), data: Buffer.from(text).toString('base64') };
    },
    dealWait: (params) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const deal = [...deals.values()].find((one) => one.deal.startsWith(params.deal));
          if (deal === undefined || (deal.state === 'offered' && !params.for.includes('offered'))) return;
          clearTimeout(timer);
          waiting.delete(look);
          const reached = params.for.includes(deal.state);
          resolve({ deal: deal.deal, state: deal.state, reached, via: deal.state === 'contracted' ? 'peer' : null });
        };
        const timer = setTimeout(
          () => {
            waiting.delete(look);
            reject(new FitError('timed-out', 'it did not happen in time'));
          },
          Math.min(params.timeoutMs, 2 ** 31 - 1),
        );
        waiting.add(look);
        connection.onClose(() => clearTimeout(timer));
        look();
      }),
    dealExplain: async (params) => ({
      deal: find(params.deal).deal,
      state: find(params.deal).state,
      youHold: 'nothing',
      theyHold: 'nothing of yours that binds you',
      ifYouStop: 'nothing happens',
      ifTheyStop: 'nothing happens',
      whoCouldCheat: 'nobody yet',
      notes: [],
    }),
    async dealExport(params) {
      const deal = find(params.deal);
      const data = Buffer.from(current(deal)).toString('base64');
      const names = params.form === 'asics' ? ['deal.asics'] : ['contract.md', 'attachments/photo 1.jpg'];
      return { deal: deal.deal, files: names.map((name) => ({ name, data })) };
    },
    arbiterCases: async () => ({ cases: [] }),
    arbiterTerms: async () => ({ terms: 'Terms\n', sha256: sha256('Terms\n') }),
    async keyPassphrase(params) {
      if (!isRight(params.old)) throw wrongPassphrase();
      writeFileSync(secretFile, params.new);
      return { changed: true };
    },
    async keyExport() {
      consent();
      return { key: `PEM ${secret.length}`, certificates: 'PEM' };
    },
    archiveVerify: async () => ({ ok: false, records: 3, entries: 5, problem: 'entry 4 does not follow entry 3' }),
    async configGet(params) {
      const value = settings.get(params.key);
      if (value === undefined) throw new FitError('not-found', 'no such setting', { hint: 'fit config list' });
      return { key: params.key, value };
    },
    async configSet(params) {
      settings.set(params.key, params.value);
      return params;
    },
    configList: async () => ({ config: Object.fromEntries(settings) }),
    async subscribe() {
      listeners.add(connection);
      connection.onClose(() => listeners.delete(connection));
      return { seq };
    },
    doctor: async () => ({ checks: [{ check: 'clock', ok: true, detail: 'agrees' }] }),
  };
  return agent as Agent;
}

/** One daemon for each home. Nobody kills this one, so a lock is never left over. */
function lock(): void {
  try {
    writeFileSync(paths.lock, String(process.pid), { flag: 'wx' });
  } catch (cause) {
    throw new FitError('daemon-running', 'another daemon serves this home', { cause });
  }
  process.on('exit', () => rmSync(paths.lock, { force: true }));
}

async function run(): Promise<void> {
  const given = passphrase();
  if (given !== undefined) {
    if (!isRight(given)) throw wrongPassphrase();
    locked = false;
  }
  lock();
  const server = await serve((connection) => agentFor(connection, stop), paths.socket);
  function stop(): void {
    setImmediate(() => void server.close().then(() => process.exit(0)));
  }
  process.on('SIGTERM', stop);
  // Longer than any test: a run that was killed leaves nothing for good.
  setTimeout(stop, 120_000);
  const ready = option('--ready-fd');
  if (ready !== undefined) {
    writeSync(Number(ready), 'ready\n');
    closeSync(Number(ready));
  }
}

try {
  if (process.argv[2] === 'init') init();
  else await run();
} catch (error) {
  process.stderr.write(`fit: ${error instanceof Error ? error.message : String(error)}\n`);
  if (isFitError(error) && error.hint !== undefined) process.stderr.write(`fit: hint: ${error.hint}\n`);
  process.exit(exitCodeOf(error));
}
