/** `fit doctor`: what can be found out about why something does not work. Tells, mends nothing. */
import { execFile } from 'node:child_process';
import { statfs } from 'node:fs/promises';
import { isoTime, seconds } from '../lib/clock.ts';
import type { Daemon } from './daemon.ts';
import { programFault } from './hook-program.ts';

export interface Check {
  readonly check: string;
  readonly ok: boolean;
  readonly detail: string;
}

const LOW_DISK_BYTES = 64 * 1024 * 1024;
const WARN_EXPIRY_SECONDS = 30 * 86_400;

function opensslVersion(): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile('openssl', ['version'], { timeout: 5000 }, (error, stdout) =>
      resolve(error === null ? stdout.trim() : undefined),
    );
  });
}

export async function examine(daemon: Daemon): Promise<readonly Check[]> {
  const { keyring, link, contacts, outbox, clock } = daemon.parts;
  const disk = await statfs(daemon.paths.archive);
  const free = disk.bavail * disk.bsize;
  const certificate = keyring.chain[0];
  const left = (certificate?.notAfter ?? 0) - seconds(clock.now());
  const openssl = await opensslVersion();
  const online = contacts.certificates().filter((one) => link.connected(contacts.peerOf(one) ?? '')).length;
  return [
    { check: 'unlocked', ok: !keyring.locked, detail: keyring.locked ? 'locked: fit unlock' : 'yes' },
    { check: 'listening', ok: link.addresses().length > 0, detail: link.addresses().join(' ') },
    {
      check: 'contacts',
      ok: true,
      detail: `${online} of ${contacts.certificates().length} connected, ${outbox.waiting()} messages wait`,
    },
    {
      check: 'certificate',
      ok: left > WARN_EXPIRY_SECONDS,
      detail: `valid until ${isoTime(certificate?.notAfter ?? 0)}`,
    },
    { check: 'clock', ok: true, detail: `${isoTime(seconds(clock.now()))} by this machine; compare it with a watch` },
    { check: 'disk', ok: free > LOW_DISK_BYTES, detail: `${Math.floor(free / (1024 * 1024))} MiB free` },
    {
      check: 'openssl',
      ok: openssl !== undefined,
      detail: openssl ?? 'not installed: evidence can be verified with fit alone',
    },
    ...daemon.parts.config.hook.map(({ on, run: [program = ''] }) => {
      const fault = programFault(program);
      return {
        check: 'hook',
        ok: fault === undefined,
        detail: `${program} on ${on.join(', ')}${fault === undefined ? '' : `: ${fault}`}`,
      };
    }),
  ];
}
