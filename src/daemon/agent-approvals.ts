/** The part of a connection's Agent that is about consent: requests, the policy, the audit log. */
import { verifyArchive } from '../archive/verify.ts';
import { toHex } from '../lib/bytes.ts';
import { FitError } from '../lib/errors.ts';
import type { ApprovalAgent, AuditEntry, ConsentSource } from '../rpc/approvals.ts';
import type { Authority } from './approvals.ts';
import { auditEntry, createAuditCheck } from './audit.ts';
import type { Daemon } from './daemon.ts';
import { decodeExchange } from './exchange-record.ts';
import { decodeTransfer, isTransferKeyName, nameOf } from './transfer-store.ts';

/** What the connection may do, as agent.ts decides it. */
export interface Checks {
  needKey(): void;
  needConsent(): void;
  provenBy(): ConsentSource | null;
  authority(hold: boolean | undefined): Authority;
}

const DEFAULT_LIMIT = 100;

export function createApprovalAgent(daemon: Daemon, checks: Checks): Omit<ApprovalAgent, 'forget'> {
  const { parts, deals } = daemon;
  const viewRequest = deals.approvals.view;
  const { consents, policy, store, archive } = parts;
  const { needKey, needConsent, provenBy, authority } = checks;

  return {
    async approveList({ all, limit }) {
      needKey();
      await deals.approvals.sweep();
      const open = consents.pending();
      const decided =
        all === true
          ? [...consents.all()]
              .filter((one) => one.status !== 'pending')
              .sort((one, other) => other.asked - one.asked)
              .slice(0, limit ?? DEFAULT_LIMIT)
          : [];
      return { requests: await Promise.all([...open, ...decided].map(viewRequest)) };
    },
    async approveShow({ request: prefix }) {
      needKey();
      const consent = consents.find(prefix);
      const text = Buffer.from(await store.fetch('document', consent.document)).toString('base64');
      const verdict = deals.approvals.judge(await deals.subjectOf(consent));
      const { policy: _, ...shown } = verdict;
      return { request: await viewRequest(consent), text, verdict: shown };
    },
    async approveGrant({ request: prefix, digest }) {
      needConsent();
      const consent = await deals.approvals.open(prefix, digest);
      const source = provenBy();
      if (source === null) throw new FitError('needs-passphrase', 'granting needs the passphrase');
      const { deal, state } = await deals.grant(consent, source);
      return { request: await viewRequest(consents.get(consent.id) ?? consent), deal, state };
    },
    async approveRefuse({ request: prefix }) {
      needKey();
      return { request: await viewRequest(await deals.approvals.refuse(prefix, provenBy())) };
    },

    async statementSign({ about, as, waits, hold }) {
      needKey();
      return deals.statements.sign(as, about, { ...authority(hold), fleeting: waits !== true });
    },
    async statementShow({ request: prefix }) {
      needKey();
      return deals.statements.show(consents.find(prefix));
    },

    async policyShow() {
      needKey();
      return policy.status(consents.reserved());
    },
    async policyCheck({ deal, request }) {
      needKey();
      if ((deal === undefined) === (request === undefined)) throw new FitError('usage', 'name a deal or a request');
      const target = request === undefined ? store.find(deal ?? '') : consents.find(request);
      const { policy: _, ...verdict } = deals.approvals.judge(await deals.subjectOf(target));
      return verdict;
    },
    async policyConfirm({ hash }) {
      needConsent();
      const { ops, audit, done } = policy.confirm(hash);
      await parts.journal().append([], ops, audit);
      done();
      parts.events.emit({ kind: 'policy-confirmed' });
      await deals.policyChanged();
      return policy.status(consents.reserved());
    },

    async auditList({ from, limit }) {
      needKey();
      const { head } = parts.journal().audit;
      const most = limit ?? DEFAULT_LIMIT;
      const entries: AuditEntry[] = [];
      for await (const entry of parts.journal().audit.entries(from ?? Math.max(1, head.seq - most + 1))) {
        if (entries.push(auditEntry(entry)) >= most) break;
      }
      return { entries, head: { seq: head.seq, hash: toHex(head.hash) } };
    },
    async auditShow({ request: prefix }) {
      needKey();
      const { id } = consents.find(prefix);
      const entries: AuditEntry[] = [];
      for await (const entry of parts.journal().audit.entries()) if (entry.ref === id) entries.push(auditEntry(entry));
      return { entries };
    },
    async auditVerify() {
      needKey();
      const check = createAuditCheck();
      let entries = 0;
      const verdict = await verifyArchive(archive, (entry) => {
        check.step(entry);
        entries += 1;
      });
      const promised: { readonly xid: string; readonly consent: string }[] = [];
      for await (const [key, value] of archive.list('exchanges')) {
        if (isTransferKeyName(key)) {
          const transfer = decodeTransfer(value);
          if (transfer.machine.key !== null) promised.push({ xid: nameOf(transfer), consent: transfer.consent });
          continue;
        }
        const { xid, consent, machine } = decodeExchange(value);
        if (machine.promise !== null) promised.push({ xid, consent });
      }
      const problem = verdict.problem ?? check.end(consents.all(), promised);
      const { hash } = parts.journal().audit.head;
      return { ok: problem === null, entries, head: toHex(hash), problem };
    },
  };
}
