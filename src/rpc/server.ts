/**
 * The daemon's end of the socket: line → JSON → version and strict parameters → call → line.
 * Guarantees: the socket is never reachable by another user, not even while it is being made; every buffer is bounded;
 * a client that sends nonsense or reads nothing loses its own connection and disturbs no other.
 */
import { lstatSync, mkdirSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { createJSONRPCErrorResponse, createJSONRPCNotification, JSONRPCErrorCode, JSONRPCServer } from 'json-rpc-2.0';
import { fromUtf8 } from '../lib/bytes.ts';
import { FitError, isFitError, PeerFault } from '../lib/errors.ts';
import { type Agent, type AgentMethod, EVENT_NOTIFICATION, type FitEvent } from './agent.ts';
import { encodeFault } from './faults.ts';
import { createLineReader, encodeLine, MAX_REQUEST_BYTES } from './lines.ts';
import { METHODS, parseParams } from './messages.ts';

/** What the daemon knows about one client. */
export interface Connection {
  readonly id: number;
  /** For asking the system who is at its other end. */
  readonly socket: Socket;
  /** Set by the daemon's `prove`: this connection has shown the passphrase. */
  proven: boolean;
  /** Sends an event; a no-op once the connection is closed. */
  notify(event: FitEvent): void;
  /** Called once when the connection closes (at once if it has). */
  onClose(callback: () => void): void;
}

export interface ServeOptions {
  /** Told every error that a client sees as `internal`: the daemon logs it, or stops if an assertion failed. */
  readonly onInternalError?: (error: unknown, method: string) => void;
}

export interface RpcServer {
  readonly connections: number;
  /** Answers what is being answered (for at most a second), closes all connections and removes the socket. */
  close(): Promise<void>;
}

const MAX_CONNECTIONS = 128;
/** Requests of one connection that run at the same time; the socket is not read beyond that. */
const MAX_RUNNING = 64;
/** Unread output after which a client is taken for dead. */
const MAX_UNREAD_BYTES = 128 * 1024 * 1024;
const CLOSE_GRACE_MS = 1000;

interface Session extends Connection {
  readonly agent: Agent;
}

function call(method: AgentMethod, params: unknown, session: Session): Promise<unknown> {
  const parsed = parseParams(method, params);
  // The parameters fit the method: PARAMS is checked against Agent by the compiler.
  const run = session.agent[method] as (params: object) => Promise<unknown>;
  return run.call(session.agent, parsed);
}

function createDispatcher(onInternalError: ServeOptions['onInternalError']): JSONRPCServer<Session> {
  const dispatcher = new JSONRPCServer<Session>({ errorListener: () => {} });
  dispatcher.mapErrorToJSONRPCErrorResponse = (id, error) => {
    const fault = encodeFault(error);
    return createJSONRPCErrorResponse(id, fault.code, fault.message, fault.data);
  };
  for (const method of METHODS) {
    dispatcher.addMethod(method, async (params, session) => {
      try {
        return await call(method, params, session);
      } catch (error) {
        if (!isFitError(error) && !(error instanceof PeerFault)) onInternalError?.(error, method);
        throw error;
      }
    });
  }
  return dispatcher;
}

/** One client. `ended` resolves when its socket is closed. */
function attach(
  socket: Socket,
  id: number,
  agentFor: (connection: Connection) => Agent,
  dispatcher: JSONRPCServer<Session>,
): { finish(): void; ended: Promise<void> } {
  const reader = createLineReader(MAX_REQUEST_BYTES);
  const closed = new Set<() => void>();
  let isClosed = false;
  let finishing = false;
  let running = 0;

  function tellClosed(): void {
    if (isClosed) return;
    isClosed = true;
    for (const callback of closed) callback();
    closed.clear();
  }

  function write(value: unknown): void {
    if (!socket.writable) return;
    socket.write(encodeLine(value));
    if (socket.writableLength > MAX_UNREAD_BYTES) socket.destroy();
  }

  /** Answers and ends the connection: after a line like this nothing that follows can be trusted to be a request. */
  function refuse(code: number, message: string): void {
    write(createJSONRPCErrorResponse(null, code, message));
    socket.pause();
    socket.destroySoon();
  }

  const connection: Connection = {
    id,
    socket,
    proven: false,
    notify: (event) => write(createJSONRPCNotification(EVENT_NOTIFICATION, event)),
    onClose: (callback) => {
      if (isClosed) callback();
      else closed.add(callback);
    },
  };
  const session: Session = Object.assign(connection, { agent: agentFor(connection) });

  async function answer(line: Uint8Array): Promise<void> {
    let request: unknown;
    try {
      request = JSON.parse(fromUtf8(line));
    } catch {
      refuse(JSONRPCErrorCode.ParseError, 'not a line of JSON');
      return;
    }
    if (typeof request !== 'object' || request === null || Array.isArray(request)) {
      refuse(JSONRPCErrorCode.InvalidRequest, 'not a JSON-RPC 2.0 request');
      return;
    }
    running++;
    if (running >= MAX_RUNNING) socket.pause();
    try {
      const response = await dispatcher.receive(request as Parameters<typeof dispatcher.receive>[0], session);
      if (response !== null) write(response);
    } finally {
      running--;
      if (finishing && running === 0) socket.destroySoon();
      else if (running === MAX_RUNNING - 1) socket.resume();
    }
  }

  socket.on('data', (chunk) => {
    let lines: readonly Uint8Array[];
    try {
      lines = reader.push(chunk);
    } catch {
      refuse(JSONRPCErrorCode.InvalidRequest, `a line of more than ${MAX_REQUEST_BYTES} bytes`);
      return;
    }
    for (const line of lines) if (!finishing && socket.writable) void answer(line);
  });
  // A reset connection is a closed one; 'close' follows.
  socket.on('error', () => {});
  const ended = new Promise<void>((resolve) => {
    socket.on('close', () => {
      tellClosed();
      resolve();
    });
  });

  return {
    ended,
    finish() {
      finishing = true;
      tellClosed();
      socket.pause();
      if (running === 0) socket.destroySoon();
      else setTimeout(() => socket.destroy(), CLOSE_GRACE_MS).unref();
    },
  };
}

/** Makes the folder 0700, and refuses one that another user owns or can enter (a socket in /tmp, for example). */
function prepareFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const found = lstatSync(folder);
  const isOurs = process.getuid === undefined || found.uid === process.getuid();
  if (!found.isDirectory() || !isOurs || (found.mode & 0o077) !== 0) {
    throw new FitError('bad-config', `the socket's folder is not private: ${folder}`, {
      hint: 'it must be a folder of yours with mode 0700',
    });
  }
}

/** The socket's mode is decided by the umask at bind(2), which `listen` performs before it returns. */
function listenPrivately(server: Server, socketPath: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      resolve();
    });
    const before = process.umask(0o177);
    try {
      server.listen(socketPath);
    } finally {
      process.umask(before);
    }
  });
}

/**
 * Serves one `Agent` per connection on a Unix socket. The caller holds the lock of its home, so that a socket file that
 * lies there is left over from a daemon that is gone, and is replaced.
 */
export async function serve(
  agentFor: (connection: Connection) => Agent,
  socketPath: string,
  options: ServeOptions = {},
): Promise<RpcServer> {
  prepareFolder(dirname(socketPath));
  rmSync(socketPath, { force: true });
  const dispatcher = createDispatcher(options.onInternalError);
  const sessions = new Set<ReturnType<typeof attach>>();
  let lastId = 0;

  const server = createServer((socket) => {
    if (sessions.size >= MAX_CONNECTIONS) {
      socket.destroy();
      return;
    }
    const session = attach(socket, ++lastId, agentFor, dispatcher);
    sessions.add(session);
    void session.ended.then(() => sessions.delete(session));
  });
  await listenPrivately(server, socketPath);

  return {
    get connections() {
      return sessions.size;
    },
    async close() {
      const stopped = new Promise<void>((resolve) => server.close(() => resolve()));
      const ends = Array.from(sessions, (session) => session.ended);
      for (const session of sessions) session.finish();
      await Promise.all(ends);
      await stopped;
    },
  };
}
