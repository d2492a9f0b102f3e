/**
 * The Agent of one connection (rpc/agent.ts): checks what the connection may do, calls the parts, shapes the results.
 * A connection that has proven the passphrase may give consent; all others may ask, read and refuse.
 */

import { verifyArchive } from '../archive/verify.ts';
import { encodeCard } from '../commerce/card.ts';
import { type Deal, isFinalState } from '../commerce/deal.ts';
import { openHeader } from '../crypto/age.ts';
import { createCsr } from '../crypto/pki/csr.ts';
import { importIdentity } from '../crypto/pki/import.ts';
import { toPem } from '../crypto/pki/pem.ts';
import { writeAsics } from '../evidence/asics.ts';
import { buildEvidence, type EvidenceFile, type Proof } from '../evidence/bundle.ts';
import { buildDelivery } from '../evidence/delivery.ts';
import { buildSwap } from '../evidence/swap.ts';
import { buildTransfer } from '../evidence/transfer.ts';
import { credentialView } from '../exchange/credential.ts';
import { present } from '../lib/assert.ts';
import { equal, fromHex, toHex } from '../lib/bytes.ts';
import { decode, read } from '../lib/cbor.ts';
import { isoTime, seconds } from '../lib/clock.ts';
import { FitError } from '../lib/errors.ts';
import { VERSION } from '../lib/version.ts';
import { DEFAULT_WINDOW } from '../lib/window.ts';
import type { Agent, DealChange, DealStateName, StatusResult, WhoamiResult } from '../rpc/agent.ts';
import type { ConsentSource } from '../rpc/approvals.ts';
import type { Connection } from '../rpc/server.ts';
import { createApprovalAgent } from './agent-approvals.ts';
import type { Authority } from './approvals.ts';
import { askerOf } from './asker.ts';
import { flatten, readConfig, setConfig } from './config.ts';
import type { Daemon } from './daemon.ts';
import { examine } from './doctor.ts';
import type { Offered } from './offers.ts';
import type { Material } from './views.ts';

const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');

/** A document with 10 MB is refused by lint, not by memory. */
const fromBase64 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'));

function proofOf(contract: Uint8Array, mode: 'invisible' | 'affidavit', via: 'peer' | 'arbiter'): Proof {
  if (mode === 'invisible' || via === 'peer') return { kind: 'contract', p7s: contract };
  const [word, text, p7s] = read.array(decode(contract, 64 * 1024), 3, 'affidavit');
  read.literal(word, 'affidavit', 'affidavit');
  return { kind: 'affidavit', text: read.blob(text, 16_384, 'statement'), p7s: read.blob(p7s, 32_768, 'signature') };
}

function evidenceOf(material: Material): readonly EvidenceFile[] {
  switch (material.kind) {
    case 'transfer':
      return buildTransfer(material);
    case 'swap':
      return buildSwap(material);
    case 'delivery':
      return buildDelivery(material);
    case 'contract':
      return buildEvidence({
        document: material.document,
        proof: proofOf(material.proof.contract, material.proof.mode, material.proof.via),
        certificates: material.certificates,
        log: material.log,
        ...(material.answer === undefined ? {} : { answer: material.answer }),
      });
  }
}

export function createAgent(daemon: Daemon, connection: Connection): Agent {
  const { parts, deals, views, arbiter, paths } = daemon;
  const { keyring, contacts, identity, outbox, link, config, store, events, clock } = parts;

  /** The proof of the passphrase over this connection: in which era of the keyring, how, and when it was last of use. */
  let proof: { readonly era: number; readonly source: ConsentSource; usedMs: number } | undefined;
  let asker: ReturnType<typeof askerOf> | undefined;

  /** How this connection has proven the passphrase; null if it has not, or too long ago. Being asked is use. */
  const provenBy = (): ConsentSource | null => {
    if (proof === undefined || !connection.proven || proof.era !== keyring.era) return null;
    if (clock.now() - proof.usedMs > config.consent.idle * 1000) {
      connection.proven = false;
      return null;
    }
    proof.usedMs = clock.now();
    return proof.source;
  };

  const needKey = (): void => {
    if (!daemon.open) throw new FitError('locked', 'the daemon is locked', { hint: 'fit unlock' });
  };
  const needConsent = (): void => {
    needKey();
    if (provenBy() === null) {
      throw new FitError('needs-passphrase', 'this needs the passphrase', {
        hint: 'give --passphrase-file, --passphrase-fd or --passphrase-command',
      });
    }
  };
  /** On whose word this connection signs. `held` is told the request that waits for its own decision. */
  const authority = (hold: boolean | undefined): Authority => ({
    source: provenBy(),
    asker: () => {
      asker ??= askerOf(connection.socket);
      return asker;
    },
    ...(hold === true
      ? {
          hold: (request: string) =>
            connection.onClose(() => {
              deals.approvals
                .letGo(request)
                .catch((error) => parts.log.warn({ error }, 'a held request could not be ended'));
            }),
        }
      : {}),
  });
  const deal = async (prefix: string): Promise<Deal> => {
    needKey();
    return deals.settle(store.find(prefix));
  };

  const status = (): StatusResult => ({
    pid: process.pid,
    version: VERSION,
    name: config.name,
    home: paths.home,
    locked: !daemon.open,
    addresses: link.addresses(),
    roles: config.roles,
    certificate: toHex(present(keyring.chain[0], 'certificate').hash),
    started: isoTime(seconds(daemon.startedMs)),
    received: { arbiter: arbiter.received },
    deals: [...store.all()].length,
    waiting: outbox.waiting(),
  });

  const whoami = (): WhoamiResult => {
    const leaf = present(keyring.chain[0], 'certificate');
    return {
      name: config.name,
      fingerprint: toHex(leaf.hash),
      peer: identity.peerText,
      addresses: link.addresses(),
      roles: config.roles,
      notAfter: isoTime(leaf.notAfter),
      recipient: identity.recipient(),
    };
  };

  const change = (offered: Offered): DealChange => ({
    deal: offered.deal,
    document: offered.digest,
    state: offered.state,
    text: Buffer.from(offered.document).toString('utf8'),
    warnings: offered.warnings,
    ...(offered.credential === undefined ? {} : { credential: credentialView(offered.credential) }),
  });

  const after = async (changed: Deal): Promise<DealChange> => {
    const { document } = await views.summary(changed);
    return { deal: changed.id, document, state: changed.state, warnings: [] };
  };

  return {
    status: async () => status(),
    async unlock({ passphrase }) {
      await daemon.unlock(passphrase);
      return status();
    },
    async lock() {
      await daemon.lock();
      return status();
    },
    async prove({ passphrase, source }) {
      const { era } = keyring;
      await keyring.check(passphrase);
      proof = { era, source: source ?? 'terminal', usedMs: clock.now() };
      connection.proven = true;
      return { proven: true };
    },
    async forget() {
      proof = undefined;
      connection.proven = false;
      return { proven: false };
    },
    ...createApprovalAgent(daemon, { needKey, needConsent, provenBy, authority }),
    async stop() {
      // After the answer has left.
      setImmediate(() => void daemon.stop());
      return { stopped: true };
    },
    whoami: async () => whoami(),
    async card() {
      const card = identity.card();
      return { card: encodeCard(card), serial: card.serial };
    },

    async contactAdd({ card, as, replace }) {
      needKey();
      return contacts.add(card, as, replace ?? false);
    },
    async contactList() {
      needKey();
      return { contacts: contacts.list() };
    },
    async contactShow({ contact }) {
      needKey();
      return contacts.show(contact);
    },
    async contactVerify({ contact, words }) {
      needKey();
      return contacts.verify(contact, words, provenBy() !== null);
    },
    async contactRemove({ contact }) {
      needKey();
      await contacts.remove(contact);
      return { removed: contact };
    },

    async dealPropose({ document, to, arbiter: by, expires, mode, dryRun, hold }) {
      needKey();
      const request = { document: fromBase64(document), to, arbiter: by, expires, mode, dryRun: dryRun ?? false };
      return change(await deals.propose(request, authority(hold)));
    },
    async dealDeliver({ hold, window, full, dryRun, swap, credential, ...request }) {
      needKey();
      const asked = {
        ...request,
        window: full === true ? 0 : (window ?? DEFAULT_WINDOW),
        dryRun: dryRun ?? false,
        swap: swap ?? false,
        credential: credential ?? false,
      };
      return change(await deals.deliver(asked, authority(hold)));
    },
    deliveryShow: async ({ deal: prefix }) => views.delivery(await deal(prefix)),
    async deliveryTaken({ deal: prefix }) {
      const found = await deal(prefix);
      await daemon.parts.deliveries.taken((await views.summary(found)).document);
      return views.delivery(found);
    },
    async dealCounter({ deal: prefix, document, expires, dryRun, hold }) {
      needKey();
      const request = { document: fromBase64(document), expires, dryRun: dryRun ?? false };
      return change(await deals.counter(prefix, request, authority(hold)));
    },
    async dealAccept({ deal: prefix, document, rate, hold }) {
      needKey();
      const { text: _, ...accepted } = change(await deals.accept(prefix, document, authority(hold), rate ?? null));
      return accepted;
    },
    async dealDecline({ deal: prefix, reason }) {
      needKey();
      return after(await deals.decline(prefix, reason ?? ''));
    },
    async dealWithdraw({ deal: prefix }) {
      needKey();
      return after(await deals.withdraw(prefix));
    },
    async dealMessage({ deal: prefix, text }) {
      needKey();
      return after(await deals.message(prefix, text));
    },
    async dealAbort({ deal: prefix }) {
      needKey();
      return after(await deals.order(prefix, 'abort'));
    },
    async dealResolve({ deal: prefix }) {
      needKey();
      return after(await deals.order(prefix, 'resolve'));
    },
    async dealList() {
      needKey();
      const all = await Promise.all([...store.all()].map(async (one) => views.summary(await deals.settle(one))));
      return { deals: all.sort((a, b) => (a.updated < b.updated ? 1 : a.updated > b.updated ? -1 : 0)) };
    },
    dealShow: async ({ deal: prefix }) => views.full(await deal(prefix)),
    async dealText({ deal: prefix, version: number }) {
      const found = await deal(prefix);
      const summary = await views.summary(found);
      const version = number ?? summary.version;
      // Of two crossing versions with one number the current one is meant, else ours: the peer's may have been sent long after.
      const named = found.versions.filter((one) => one.number === version);
      const meant = named.find((one) => equal(one.by, found.us)) ?? named[0];
      const digest = version === summary.version ? summary.document : toHexOf(meant?.document);
      if (digest === undefined)
        throw new FitError('not-found', 'there is no such version', { hint: `fit deal show ${found.id}` });
      return { deal: found.id, version, document: digest, data: base64(await store.fetch('document', digest)) };
    },
    async dealWait({ deal: prefix, for: wanted, timeoutMs }) {
      needKey();
      const found = await waitFor(prefix, wanted, timeoutMs);
      return { deal: found.id, state: found.state, reached: wanted.includes(found.state), via: views.viaOf(found) };
    },
    dealExplain: async ({ deal: prefix }) => views.explain(await deal(prefix)),
    async dealExport({ deal: prefix, form }) {
      const found = await deal(prefix);
      const material = await views.export(found);
      if (material === undefined) {
        const isBare = found.state === 'completed';
        if (isBare)
          throw new FitError('wrong-state', 'nobody signed anything here, so there is nothing to export', {
            hint: 'origin and receipt are what a transfer can leave: its note asked for neither',
          });
        throw new FitError('wrong-state', 'there is no contract and no receipt to export', {
          hint: `fit deal show ${found.id} says how far it is`,
        });
      }
      const files = evidenceOf(material);
      const written = form === 'asics' ? [{ name: `${found.id}.asics`, data: writeAsics(files) }] : files;
      return { deal: found.id, files: written.map(({ name, data }) => ({ name, data: base64(data) })) };
    },

    async arbiterCases() {
      needKey();
      return { cases: await arbiter.cases() };
    },
    async arbiterTerms() {
      const role = identity.card().roles.find((one) => one.role === 'arbiter');
      if (role === undefined)
        throw new FitError('not-found', 'this trader is no arbiter', { hint: 'fit init --role arbiter' });
      return { terms: role.terms, sha256: toHex(role.termsDigest) };
    },

    async timestampMake({ digest, by, url, certificates }) {
      if (by !== undefined) needKey();
      const { response, ...stamp } = await parts.timestamps.make({
        digest: fromHex(digest),
        ...(by === undefined ? {} : { by }),
        ...(url === undefined ? {} : { url }),
        ...(certificates === undefined ? {} : { certificates: certificates.map(fromBase64) }),
      });
      return { ...stamp, response: base64(response) };
    },
    async timestampAuthorities() {
      needKey();
      const authorities = parts.timestamps.authorities();
      return { authorities: authorities.map((one) => ({ ...one, certificate: base64(one.certificate) })) };
    },

    async sealedKey({ header }) {
      needKey();
      const key = await openHeader(keyring.secrets().age.secret, fromBase64(header));
      return { key: key === null ? null : base64(key) };
    },

    async keyCsr() {
      needConsent();
      return { csr: await createCsr(keyring.secrets().signing, config.name) };
    },
    async keyImport({ data, dataPassphrase, passphrase }) {
      needConsent();
      const open = [...store.all()].some((one) => !isFinalState(one.state));
      if (open)
        throw new FitError('wrong-state', 'deals are open under the present certificate', {
          hint: 'finish or withdraw them first',
        });
      const imported = await importIdentity(fromBase64(data), dataPassphrase);
      if (imported.key !== undefined && passphrase === undefined)
        throw new FitError('needs-passphrase', 'a key needs the passphrase that will protect it');
      if (imported.key !== undefined) await keyring.check(passphrase ?? '');
      await daemon.replaceIdentity(
        imported.chain,
        imported.key === undefined ? undefined : { key: imported.key, passphrase: passphrase ?? '' },
      );
      return whoami();
    },
    async keyExport() {
      needConsent();
      return {
        key: keyring.encryptedKey(),
        certificates: keyring.chain.map((one) => toPem('CERTIFICATE', one.der)).join(''),
      };
    },
    async keyPassphrase({ old, new: fresh }) {
      if (fresh.length < 4) throw new FitError('usage', 'the passphrase is shorter than 4 characters');
      await keyring.changePassphrase(old, fresh);
      return { changed: true };
    },

    async archiveVerify() {
      needKey();
      return verifyArchive(parts.archive);
    },
    async configGet({ key }) {
      const value = flatten(readConfig(paths.config))[key];
      if (value === undefined) throw new FitError('not-found', 'there is no such setting', { hint: 'fit config list' });
      return { key, value };
    },
    async configSet({ key, value }) {
      return { key, value: flatten(setConfig(paths.config, key, value))[key] ?? value };
    },
    configList: async () => ({ config: flatten(readConfig(paths.config)) }),
    async subscribe({ since }) {
      connection.onClose(events.listen(since, (event) => connection.notify(event)));
      return { seq: events.seq };
    },
    doctor: async () => ({ checks: await examine(daemon) }),
  };

  function toHexOf(bytes: Uint8Array | undefined): string | undefined {
    return bytes === undefined ? undefined : toHex(bytes);
  }

  /** Resolves when the deal (which may not be known yet) is in a wanted or a final state. */
  function waitFor(prefix: string, wanted: readonly DealStateName[], timeoutMs: number): Promise<Deal> {
    return new Promise((resolve, reject) => {
      const finish = (then: () => void): void => {
        stopListening();
        cancel();
        then();
      };
      // Called amid a change of some other deal, which must not fail because this prefix now fits two.
      const look = (): void => {
        try {
          const found = known(prefix);
          if (found !== undefined && (wanted.includes(found.state) || isFinalState(found.state)))
            finish(() => resolve(found));
        } catch (error) {
          finish(() => reject(error));
        }
      };
      const cancel = clock.at(clock.now() + timeoutMs, () => finish(() => reject(notInTime(prefix))));
      const stopListening = deals.onChange(look);
      connection.onClose(() => finish(() => reject(new FitError('interrupted', 'nobody waits any more'))));
      look();
      // An offer may have run out without anything having happened.
      const found = known(prefix);
      if (found !== undefined) void deals.settle(found).then(look, reject);
    });
  }

  function notInTime(prefix: string): FitError {
    const found = known(prefix);
    return found === undefined
      ? new FitError('timed-out', 'nothing was heard of this deal in time', { hint: 'fit deal list' })
      : new FitError('timed-out', `the deal did not get there in time: it is ${found.state}`, {
          hint: `fit deal explain ${found.id}`,
          data: { deal: found.id, state: found.state },
        });
  }

  function known(prefix: string): Deal | undefined {
    try {
      return store.find(prefix);
    } catch (error) {
      if (error instanceof FitError && error.code === 'not-found') return undefined;
      throw error;
    }
  }
}
