/**
 * A client's end of the socket: an `Agent` whose calls cross it. Nothing of the daemon is imported here, and no package:
 * every start of `fit` loads this.
 * Guarantees: every call ends, with the daemon's answer or a `FitError`; a lost connection fails all open calls.
 */
import { connect as connectSocket, type Socket } from 'node:net';
import { fromUtf8 } from '../lib/bytes.ts';
import { FitError } from '../lib/errors.ts';
import { type Agent, type AgentMethod, EVENT_NOTIFICATION, type FitEvent, RPC_VERSION } from './agent.ts';
import { decodeFault } from './faults.ts';
import { createLineReader, encodeLine, MAX_REQUEST_BYTES, MAX_RESPONSE_BYTES } from './lines.ts';

export interface AgentClient extends Agent {
  /** Called for every event after `subscribe`. One listener; events that come before it is set are kept for it. */
  onEvent(listener: (event: FitEvent) => void): void;
  /** Resolves when the connection is gone, by `close` or by the daemon. */
  readonly closed: Promise<void>;
  close(): void;
}

const LOST = 'the daemon closed the connection';
const LOST_HINT = 'it was stopped or has failed: fit daemon status';
/** Methods of `Agent`, so that a misspelt one is a TypeError here and not a request. */
const METHOD_NAMES: { readonly [M in AgentMethod]: true } = {
  status: true,
  unlock: true,
  lock: true,
  prove: true,
  stop: true,
  whoami: true,
  card: true,
  contactAdd: true,
  contactList: true,
  contactShow: true,
  contactVerify: true,
  contactRemove: true,
  dealPropose: true,
  dealCounter: true,
  dealAccept: true,
  dealDeliver: true,
  deliveryShow: true,
  statementSign: true,
  statementShow: true,
  deliveryTaken: true,
  dealDecline: true,
  dealWithdraw: true,
  dealMessage: true,
  dealAbort: true,
  dealResolve: true,
  dealList: true,
  dealShow: true,
  dealText: true,
  dealWait: true,
  dealExplain: true,
  dealExport: true,
  arbiterCases: true,
  arbiterTerms: true,
  timestampMake: true,
  timestampAuthorities: true,
  sealedKey: true,
  keyCsr: true,
  keyImport: true,
  keyExport: true,
  keyPassphrase: true,
  archiveVerify: true,
  configGet: true,
  configSet: true,
  configList: true,
  subscribe: true,
  doctor: true,
  forget: true,
  approveList: true,
  approveShow: true,
  approveGrant: true,
  approveRefuse: true,
  policyShow: true,
  policyCheck: true,
  policyConfirm: true,
  auditList: true,
  auditShow: true,
  auditVerify: true,
};

/** All that can be asked, for what wraps an agent. */
export const AGENT_METHODS = Object.keys(METHOD_NAMES) as readonly AgentMethod[];

function lost(): FitError {
  return new FitError('daemon-unreachable', LOST, { hint: LOST_HINT });
}

function open(socketPath: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket(socketPath);
    const failed = (cause: Error) =>
      reject(new FitError('daemon-unreachable', 'the daemon is not running', { hint: 'fit daemon start', cause }));
    socket.once('error', failed);
    socket.once('connect', () => {
      socket.off('error', failed);
      resolve(socket);
    });
  });
}

interface Pending {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: FitError) => void;
}

/** A response or a notification. */
interface Message {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
  readonly method?: string;
  readonly params?: unknown;
}

/** Throws `daemon-unreachable` if nobody listens at `socketPath`. */
export async function connect(socketPath: string): Promise<AgentClient> {
  const socket = await open(socketPath);
  const reader = createLineReader(MAX_RESPONSE_BYTES);
  const early: FitEvent[] = [];
  let listener: ((event: FitEvent) => void) | undefined;
  const pending = new Map<number, Pending>();
  let lastId = 0;

  function received(line: Uint8Array): void {
    const message: Message = JSON.parse(fromUtf8(line));
    if (message.method === EVENT_NOTIFICATION) {
      const event = message.params as FitEvent;
      if (listener === undefined) early.push(event);
      else listener(event);
      return;
    }
    const waiting = pending.get(message.id ?? -1);
    if (waiting === undefined) return;
    pending.delete(message.id ?? -1);
    const { error } = message;
    if (error === undefined) waiting.resolve(message.result);
    else waiting.reject(decodeFault(error.code, error.message, error.data));
  }

  const closed = new Promise<void>((resolve) => {
    socket.on('close', () => {
      for (const { reject } of pending.values()) reject(lost());
      pending.clear();
      resolve();
    });
  });
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    try {
      for (const line of reader.push(chunk)) received(line);
    } catch {
      // Not our daemon's protocol: the calls fail with the connection.
      socket.destroy();
    }
  });

  async function call(method: AgentMethod, params: object = {}): Promise<unknown> {
    const id = ++lastId;
    const line = encodeLine({ jsonrpc: '2.0', id, method, params: { rpc: RPC_VERSION, ...params } });
    if (Buffer.byteLength(line) > MAX_REQUEST_BYTES) throw new FitError('usage', 'too large to send to the daemon');
    if (!socket.writable) throw lost();
    return new Promise((resolve, reject) => {
      pending.set(id, { resolve, reject });
      socket.write(line);
    });
  }

  const agent = Object.fromEntries(
    AGENT_METHODS.map((method) => [method, (params?: object) => call(method, params)]),
  ) as unknown as Agent;

  return Object.assign(agent, {
    closed,
    onEvent(callback: (event: FitEvent) => void) {
      listener = callback;
      for (const event of early.splice(0)) callback(event);
    },
    close: () => socket.destroySoon(),
  });
}
