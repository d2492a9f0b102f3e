/**
 * Statements that stand alone: a short text that a template of ours makes, signed for whoever reads it, like everything else
 * only with a consent (approvals.ts).
 *
 * Guarantees: the text says what it is and can be read as no other; asking and decision are in the audit log before the
 * signature exists; a consent serves one signature, which is kept and can be fetched again.
 */
import { type Package, packageStatement } from '../exchange/container.ts';
import { toHex, utf8 } from '../lib/bytes.ts';
import { FitError, isFitError } from '../lib/errors.ts';
import { lint } from '../lib/lint.ts';
import type { StatementResult } from '../rpc/approvals.ts';
import type { Approvals, Authority, Wanted } from './approvals.ts';
import type { Change, Consent } from './consents.ts';
import type { DealWrites } from './deal-writes.ts';
import { type Statement, statementOf } from './facts.ts';
import type { Parts } from './parts.ts';
import { signStatement } from './statement-signing.ts';

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

/** Under which the signature is kept beside the text. */
const keyOf = (request: string): string => `statement/${request}`;

/** Seconds since 1970. */
function timeOf({ bytes }: Statement): number {
  const [, time = ''] = /^signing time: (\S+)$/m.exec(Buffer.from(bytes).toString('utf8')) ?? [];
  return Date.parse(time) / 1000;
}

export function createStatements(parts: Parts, writes: DealWrites, approvals: Approvals) {
  const { archive, consents, keyring, store, config } = parts;
  const { now } = writes;

  const keep = (statement: Statement) => store.keep('document', toHex(statement.digest), statement.bytes);

  const wantedOf = (statement: Statement, expires: number): Wanted => ({
    kind: 'statement',
    statement,
    peer: '',
    deal: '',
    arbiterCard: '',
    base: null,
    expires,
    latest: expires,
    keep: [keep(statement)],
  });

  const withdraw = (consent: Consent) => writes.record([consents.move(consent, 'withdrawn', now())]);

  /** What cannot be signed gives its consent back. */
  const signature = async (statement: Statement, consent: Consent): Promise<Uint8Array> => {
    try {
      return signStatement(keyring, statement.digest, timeOf(statement));
    } catch (error) {
      if (isFitError(error) && error.code === 'clock-wrong') await withdraw(consent);
      throw error;
    }
  };

  const resultOf = (consent: Consent, statement: Statement, p7s: Uint8Array | undefined): StatementResult => ({
    request: consent.id,
    state: consent.status,
    text: base64(statement.bytes),
    p7s: p7s === undefined ? null : base64(p7s),
    time: timeOf(statement),
  });

  /** The consent is durable, then the signature is made, then it is kept as the one that used the consent. */
  const make = async (statement: Statement, grant: Change): Promise<StatementResult> => {
    await writes.record([grant], [keep(statement)]);
    const p7s = await signature(statement, grant.consent);
    const used = consents.move(grant.consent, 'used', now(), { usedAt: now() });
    await writes.record([used], [{ kind: 'put', space: 'evidence', key: keyOf(grant.consent.id), value: p7s }]);
    return resultOf(used.consent, statement, p7s);
  };

  const gated = (statement: Statement, authority: Authority, expires: number): Promise<StatementResult> =>
    writes.locks.run('', () =>
      approvals.gate(wantedOf(statement, expires), authority, (grant) => make(statement, grant)),
    );

  return {
    async sign(as: 'signed' | 'receipt', about: Package, authority: Authority): Promise<StatementResult> {
      const bytes = utf8(packageStatement(as, about, now()));
      const findings = lint(bytes);
      if (findings.length > 0)
        throw new FitError('bad-document', 'a name in the path is one that nobody may sign', { data: { findings } });
      return gated(statementOf(bytes), authority, now() + config.consent.expires);
    },

    async grant(consent: Consent, authority: Authority): Promise<{ readonly deal: string; readonly state: string }> {
      const statement = statementOf(await store.fetch('document', consent.document));
      await gated(statement, authority, consent.expires);
      return { deal: '', state: 'signed' };
    },

    /** Consents that the end of a run has left between the grant and the signature: nobody will use them. */
    async recover(): Promise<void> {
      await writes.locks.run('', async () => {
        for (const one of [...consents.all()])
          if (one.kind === 'statement' && one.status === 'granted') await withdraw(one);
      });
    },

    async show(consent: Consent): Promise<StatementResult> {
      if (consent.kind !== 'statement')
        throw new FitError('not-found', 'this request is for no statement', { hint: 'fit approve list' });
      const statement = statementOf(await store.fetch('document', consent.document));
      return resultOf(consent, statement, await archive.get('evidence', keyOf(consent.id)));
    },
  };
}
