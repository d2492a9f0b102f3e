/**
 * Which process is at the other end of a client's socket. Node has no call for SO_PEERCRED, but a child can be handed the
 * socket: one line of Perl (or Python) asks the kernel. The name comes from /proc and is the program's own claim.
 * Guarantees: never fails and never takes longer than its time; the socket is not read, written, stopped or closed.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { basename } from 'node:path';
import type { Asker } from '../rpc/approvals.ts';

const TIME_MS = 2000;
const MAX_NAME = 64;
const MAX_COMMAND = 300;

/** SOL_SOCKET 1, SO_PEERCRED 17: Linux; struct ucred is pid, uid, gid. */
const ASKERS: readonly (readonly [string, readonly string[]])[] = [
  ['perl', ['-e', 'print unpack("i", getsockopt(STDIN, 1, 17) // exit 1)']],
  ['python3', ['-c', 'import socket,struct;print(struct.unpack("3i",socket.socket(fileno=0).getsockopt(1,17,12))[0])']],
];

const UNKNOWN: Asker = { pid: null, name: 'a program', command: null, known: 'unknown' };

/**
 * The descriptor, not the stream: Node stops reading a stream that it hands to a child. It has no public name for it; on
 * POSIX the handle has had this one in every release.
 */
function descriptorOf(socket: Socket): number | undefined {
  const { _handle: handle } = socket as unknown as { readonly _handle?: { readonly fd?: number } | null };
  return handle?.fd !== undefined && handle.fd >= 0 ? handle.fd : undefined;
}

function pidBy(program: string, args: readonly string[], descriptor: number): Promise<number | null> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: [descriptor, 'pipe', 'ignore'], env: { PATH: process.env.PATH } });
    let said = '';
    const timer = setTimeout(() => child.kill('SIGKILL'), TIME_MS);
    child.stdout?.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(0, 32);
    });
    child.once('error', () => {
      clearTimeout(timer);
      resolve(null);
    });
    child.once('close', () => {
      clearTimeout(timer);
      const pid = /^[0-9]{1,10}\s*$/.test(said) ? Number(said) : 0;
      resolve(pid > 0 ? pid : null);
    });
  });
}

/** An interpreter is named after what it runs: `order-bot.js (node)`. */
export function nameOf(comm: string, args: readonly string[]): string {
  const program = basename(args[0] ?? comm) || comm;
  if (!/^(node|nodejs|bash|sh|dash|perl|python[0-9.]*|ruby|deno|bun)$/.test(program)) return program.slice(0, MAX_NAME);
  const script = args.slice(1).find((arg) => !arg.startsWith('-'));
  return (script === undefined ? program : `${basename(script)} (${program})`).slice(0, MAX_NAME);
}

function describe(pid: number): Asker {
  try {
    const comm = readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
    const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
    const command = args.join(' ').slice(0, MAX_COMMAND).toWellFormed();
    return { pid, name: nameOf(comm, args).toWellFormed() || 'a program', command, known: 'kernel' };
  } catch {
    return { pid, name: 'a process that has ended', command: null, known: 'kernel' };
  }
}

export async function askerOf(socket: Socket): Promise<Asker> {
  if (process.platform !== 'linux') return UNKNOWN;
  for (const [program, args] of ASKERS) {
    const descriptor = descriptorOf(socket);
    if (descriptor === undefined) return UNKNOWN;
    const pid = await pidBy(program, args, descriptor);
    if (pid !== null) return describe(pid);
  }
  return UNKNOWN;
}
