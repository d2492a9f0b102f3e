/**
 * The policy in force: the rules of `policy.toml`, if it is the file that a person confirmed with the passphrase (DESIGN §9).
 *
 * Guarantees: any other content (edited, unreadable, too large, no longer a plain file) decides nothing, from the moment it
 * is on the disk: every judgement and every use of a consent reads the file anew. The names in it stand for the certificates
 * that they stood for when it was confirmed. The confirmation lies in the archive under the vault key.
 */
import { closeSync, constants, type FSWatcher, fstatSync, openSync, readSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Archive } from '../archive/sealed-store.ts';
import { sha256 } from '../crypto/hash.ts';
import { fromUtf8, toHex } from '../lib/bytes.ts';
import { decode, enc, encode, read } from '../lib/cbor.ts';
import { type Clock, isoTime, seconds } from '../lib/clock.ts';
import { FitError } from '../lib/errors.ts';
import type { PolicyFacts, PolicyStatus } from '../rpc/approvals.ts';
import { formatAmount, sum } from './policy/amounts.ts';
import { describe, judge } from './policy/judge.ts';
import type { Facts, Policy } from './policy/port.ts';
import { MAX_POLICY_BYTES, namesIn, type Parsed, parsePolicy } from './policy/rules.ts';

const KEY = 'confirmed';
const MAX_CONFIRMATION_BYTES = 64 * 1024;
const MAX_NAMES = 512;

interface Confirmation {
  readonly hash: string;
  /** Seconds since 1970. */
  readonly at: number;
  readonly bindings: ReadonlyMap<string, string>;
}

interface FileNow {
  readonly hash: string;
  readonly text: string;
  readonly parsed: Parsed;
}

export interface PolicyPorts {
  readonly archive: Archive;
  readonly clock: Clock;
  readonly path: string;
  readonly certificateOf: (contact: string) => string | undefined;
  /** The file is another one than it was. */
  readonly onEdited: () => void;
}

/** Undefined if there is none; a problem for what is no readable, plain, small file of UTF-8. */
function readPlain(path: string): Uint8Array | { readonly problem: string } | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : '';
    if (code === 'ENOENT') return undefined;
    return { problem: code === 'ELOOP' ? 'it is a link, not a file' : 'it cannot be read' };
  }
  try {
    if (!fstatSync(descriptor).isFile()) return { problem: 'it is not a file' };
    const buffer = Buffer.alloc(MAX_POLICY_BYTES + 1);
    let size = 0;
    for (;;) {
      const more = readSync(descriptor, buffer, size, buffer.length - size, null);
      size += more;
      if (more === 0 || size > MAX_POLICY_BYTES) break;
    }
    return size > MAX_POLICY_BYTES ? { problem: 'it is larger than 64 KiB' } : new Uint8Array(buffer.subarray(0, size));
  } catch {
    return { problem: 'it cannot be read' };
  } finally {
    closeSync(descriptor);
  }
}

const shown = (facts: Facts): PolicyFacts => ({
  kind: facts.kind,
  contact: facts.peer.contact,
  certificate: facts.peer.certificate,
  verified: facts.peer.attested,
  template: facts.template,
  items: facts.items,
  amounts: [...(sum(facts.items.flatMap((item) => item.amount ?? [])) ?? [])].map(([unit, value]) =>
    formatAmount({ unit, value }),
  ),
  arbiter: facts.arbiter,
  mode: facts.mode,
  notAfter: isoTime(facts.notAfter),
  time: isoTime(facts.now),
});

export function createPolicy(ports: PolicyPorts): Policy {
  const { archive, clock, path } = ports;
  let confirmation: Confirmation | undefined;
  /** Parsing is remembered by hash; reading is not. */
  let known: FileNow | undefined;
  let lastSeen: string | undefined;
  let watcher: FSWatcher | undefined;

  const fileNow = (): FileNow | { readonly problem: string } | undefined => {
    const bytes = readPlain(path);
    if (!(bytes instanceof Uint8Array)) return bytes;
    const hash = toHex(sha256(bytes));
    if (known?.hash === hash) return known;
    let text: string;
    try {
      text = fromUtf8(bytes);
    } catch {
      return { problem: 'it is not UTF-8' };
    }
    known = { hash, text, parsed: parsePolicy(text) };
    return known;
  };

  /** The rules, if they decide: confirmed, unchanged, understood. */
  const rulesInForce = () => {
    const file = fileNow();
    if (confirmation === undefined || file === undefined || 'problem' in file) return undefined;
    return file.hash === confirmation.hash && file.parsed.ok ? { rules: file.parsed.policy, confirmation } : undefined;
  };

  const stateOf = (file: ReturnType<typeof fileNow>): PolicyStatus['state'] => {
    if (file === undefined) return 'none';
    if ('problem' in file || !file.parsed.ok) return 'unreadable';
    if (confirmation === undefined) return 'unconfirmed';
    return file.hash === confirmation.hash ? 'confirmed' : 'edited';
  };

  const WHY: Readonly<Record<Exclude<PolicyStatus['state'], 'confirmed'>, string>> = {
    none: 'there is no policy: a person decides',
    unreadable: 'the policy is not understood: a person decides',
    unconfirmed: 'the policy is not confirmed: a person decides',
    edited: 'the policy was edited and not confirmed again: a person decides',
  };

  const look = (): void => {
    const file = fileNow();
    const seen = file === undefined ? 'none' : 'problem' in file ? file.problem : file.hash;
    if (seen === lastSeen) return;
    lastSeen = seen;
    ports.onEdited();
  };

  return {
    path,
    async load() {
      const stored = await archive.get('policy', KEY);
      if (stored !== undefined) {
        const [version, hash, at, bindings] = read.array(decode(stored, MAX_CONFIRMATION_BYTES), 4, 'confirmation');
        read.literal(version, 1, 'confirmation version');
        const pairs = read.list(bindings, MAX_NAMES, 'bindings').map((one) => {
          const [name, certificate] = read.array(one, 2, 'binding');
          return [read.text(name, 32, 'name'), read.text(certificate, 64, 'certificate')] as const;
        });
        confirmation = { hash: read.text(hash, 64, 'hash'), at: read.uint(at, 'at'), bindings: new Map(pairs) };
      }
      const file = fileNow();
      lastSeen = file === undefined ? 'none' : 'problem' in file ? file.problem : file.hash;
      try {
        // A help, not a guarantee: every use reads the file.
        watcher = watch(dirname(path), (_, name) => {
          if (name === null || name === basename(path)) look();
        });
        watcher.on('error', () => {});
        watcher.unref();
      } catch {
        watcher = undefined;
      }
    },
    unload() {
      confirmation = undefined;
      known = undefined;
      watcher?.close();
      watcher = undefined;
    },
    stop() {
      watcher?.close();
    },
    judge(facts, reserved) {
      const force = rulesInForce();
      const about = { facts: shown(facts) };
      if (force === undefined) {
        const state = stateOf(fileNow());
        const why = state === 'confirmed' ? WHY.unreadable : WHY[state];
        return { outcome: 'ask', rule: null, why, trace: [], policy: null, ...about };
      }
      const verdict = judge(force.rules, force.confirmation.bindings, facts, reserved);
      return { ...verdict, policy: force.confirmation.hash, ...about };
    },
    inForce: (hash) => rulesInForce()?.confirmation.hash === hash,
    status(reserved) {
      const file = fileNow();
      const whole = file !== undefined && 'hash' in file ? file : undefined;
      const rules = whole?.parsed.ok === true ? whole.parsed.policy.rules : [];
      const all = [...reserved];
      const problem = file !== undefined && 'problem' in file ? file.problem : null;
      return {
        path,
        state: stateOf(file),
        problem: problem ?? (whole !== undefined && !whole.parsed.ok ? whole.parsed.problem : null),
        hash: whole?.hash ?? null,
        confirmed: confirmation === undefined ? null : { hash: confirmation.hash, at: isoTime(confirmation.at) },
        text: whole?.text ?? null,
        rules: rules.map((rule) => describe(rule, all, seconds(clock.now()))),
        bindings: [...(confirmation?.bindings ?? [])].map(([contact, certificate]) => ({
          contact,
          certificate,
          holds: ports.certificateOf(contact) === certificate,
        })),
      };
    },
    confirm(hash) {
      const file = fileNow();
      if (file === undefined)
        throw new FitError('not-found', 'there is no policy to confirm', { hint: `write ${path}: man fit-policy` });
      if ('problem' in file)
        throw new FitError('bad-config', `policy.toml: ${file.problem}`, { hint: 'see fit-policy(5)' });
      if (file.hash !== hash)
        throw new FitError('wrong-state', 'the policy is another one than was shown: nothing was confirmed', {
          hint: 'fit policy show, then confirm again',
        });
      if (!file.parsed.ok)
        throw new FitError('bad-config', `policy.toml: ${file.parsed.problem}`, { hint: 'see fit-policy(5)' });
      const bindings = new Map(
        namesIn(file.parsed.policy).map((name) => {
          const certificate = ports.certificateOf(name);
          if (certificate === undefined)
            throw new FitError('not-found', `the policy names ${name}, who is not a contact`, {
              hint: 'fit contact list',
            });
          return [name, certificate];
        }),
      );
      const at = seconds(clock.now());
      const value = encode([1, hash, at, [...bindings].map((pair) => [...pair])]);
      return {
        ops: [{ kind: 'put', space: 'policy', key: KEY, value }],
        audit: [{ time: at, kind: 'policy-confirmed', ref: '', payload: enc(1, hashBytes(hash)) }],
        done: () => {
          confirmation = { hash, at, bindings };
          lastSeen = hash;
        },
      };
    },
  };
}

const hashBytes = (hash: string): Uint8Array => new Uint8Array(Buffer.from(hash, 'hex'));
