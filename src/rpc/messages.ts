/**
 * What each method accepts: strict schemas (no unknown field), every length bounded. Only the daemon loads this module;
 * the client trusts the compiler. `satisfies` keeps the schemas equal to the `Agent` interface.
 */
import { z } from 'zod';
import { FitError } from '../lib/errors.ts';
import { MAX_WINDOW, MIN_WINDOW } from '../lib/window.ts';
import { type Agent, type AgentMethod, CREDENTIAL_TEXTS, DEAL_STATES, RPC_VERSION } from './agent.ts';
import { CONSENT_SOURCES } from './approvals.ts';

export type Params<M extends AgentMethod> = Parameters<Agent[M]>[0];

const passphrase = z.string().max(1024);
/** Standard base64 with padding. */
const base64 = (maxBytes: number) => z.base64().max(Math.ceil(maxBytes / 3) * 4);
/** The daemon refuses a document over 64 KiB by name; the room above is for telling so. */
const document = base64(256 * 1024);
const deal = z.string().min(1).max(64);
const contact = z.string().min(1).max(128);
const request = z.string().min(1).max(64);
const digest = z.string().regex(/^[0-9a-f]{64}$/, 'not 64 lower-case hexadecimal digits');
const TEN_YEARS = 10 * 366 * 24 * 3600;
const seconds = z.int().min(1).max(TEN_YEARS);
const configKey = z.string().min(1).max(128);

const nothing = z.strictObject({});
const oneDeal = z.strictObject({ deal });

export const PARAMS = {
  status: nothing,
  unlock: z.strictObject({ passphrase }),
  lock: nothing,
  prove: z.strictObject({
    passphrase,
    source: z.enum(CONSENT_SOURCES).exclude(['policy']).exactOptional(),
  }),
  forget: nothing,
  stop: nothing,
  whoami: nothing,
  card: nothing,
  contactAdd: z.strictObject({
    card: z.string().max(128 * 1024),
    as: contact,
    replace: z.boolean().exactOptional(),
  }),
  contactList: nothing,
  contactShow: z.strictObject({ contact }),
  contactVerify: z.strictObject({ contact, words: z.string().max(1024) }),
  contactRemove: z.strictObject({ contact }),
  dealPropose: z.strictObject({
    document,
    to: contact,
    arbiter: contact,
    expires: seconds.exactOptional(),
    mode: z.enum(['invisible', 'affidavit']).exactOptional(),
    dryRun: z.boolean().exactOptional(),
    hold: z.boolean().exactOptional(),
  }),
  dealCounter: z.strictObject({
    deal,
    document,
    expires: seconds.exactOptional(),
    dryRun: z.boolean().exactOptional(),
    hold: z.boolean().exactOptional(),
  }),
  dealAccept: z.strictObject({
    deal,
    document: digest.exactOptional(),
    rate: z.int().min(1024).max(Number.MAX_SAFE_INTEGER).exactOptional(),
    hold: z.boolean().exactOptional(),
  }),
  dealDeliver: z.strictObject({
    files: z.array(z.string().min(1).max(4096)).min(1).max(400),
    deal: deal.exactOptional(),
    to: contact.exactOptional(),
    arbiter: contact.exactOptional(),
    window: z.int().min(MIN_WINDOW).max(MAX_WINDOW).exactOptional(),
    full: z.literal(true).exactOptional(),
    expires: seconds.exactOptional(),
    text: z.string().max(16384).exactOptional(),
    swap: z.boolean().exactOptional(),
    credential: z.union([z.boolean(), z.enum(CREDENTIAL_TEXTS)]).exactOptional(),
    transfer: z.strictObject({ origin: z.boolean(), receipt: z.enum(['asked', 'none']) }).exactOptional(),
    want: z.string().min(1).max(160).exactOptional(),
    dryRun: z.boolean().exactOptional(),
    hold: z.boolean().exactOptional(),
  }),
  deliveryShow: oneDeal,
  deliveryTaken: oneDeal,
  dealDecline: z.strictObject({ deal, reason: z.string().max(4096).exactOptional() }),
  dealWithdraw: oneDeal,
  dealMessage: z.strictObject({ deal, text: z.string().min(1).max(16384) }),
  dealAbort: oneDeal,
  dealResolve: oneDeal,
  dealList: nothing,
  dealShow: oneDeal,
  dealText: z.strictObject({ deal, version: z.int().min(1).max(1_000_000).exactOptional() }),
  dealWait: z.strictObject({
    deal,
    for: z.array(z.enum(DEAL_STATES)).min(1).max(DEAL_STATES.length),
    timeoutMs: z
      .int()
      .min(0)
      .max(TEN_YEARS * 1000),
  }),
  dealExplain: oneDeal,
  dealExport: z.strictObject({ deal, form: z.enum(['asics', 'files']) }),
  arbiterCases: nothing,
  arbiterTerms: nothing,
  timestampMake: z.strictObject({
    digest,
    by: contact.exactOptional(),
    url: z.string().min(1).max(2048).exactOptional(),
    certificates: z
      .array(base64(8 * 1024))
      .max(64)
      .exactOptional(),
  }),
  timestampAuthorities: nothing,
  sealedKey: z.strictObject({ header: base64(16 * 1024) }),
  keyCsr: nothing,
  keyImport: z.strictObject({
    data: base64(512 * 1024),
    dataPassphrase: passphrase.exactOptional(),
    passphrase: passphrase.exactOptional(),
  }),
  keyExport: nothing,
  keyPassphrase: z.strictObject({ old: passphrase, new: passphrase }),
  archiveVerify: nothing,
  configGet: z.strictObject({ key: configKey }),
  configSet: z.strictObject({ key: configKey, value: z.string().max(4096) }),
  configList: nothing,
  subscribe: z.strictObject({ since: z.int().min(0).exactOptional() }),
  doctor: nothing,
  statementSign: z.strictObject({
    about: z.strictObject({
      container: digest,
      path: z.string().max(4096),
      folder: digest,
      leaves: z.int().min(0),
      bytes: z.int().min(0),
    }),
    as: z.enum(['signed', 'receipt']),
    waits: z.boolean().exactOptional(),
    hold: z.boolean().exactOptional(),
  }),
  statementShow: z.strictObject({ request }),
  approveList: z.strictObject({ all: z.boolean().exactOptional(), limit: z.int().min(1).max(1000).exactOptional() }),
  approveShow: z.strictObject({ request }),
  approveGrant: z.strictObject({ request, digest: digest.exactOptional() }),
  approveRefuse: z.strictObject({ request }),
  policyShow: nothing,
  policyCheck: z.strictObject({ deal: deal.exactOptional(), request: request.exactOptional() }),
  policyConfirm: z.strictObject({ hash: digest }),
  auditList: z.strictObject({
    from: z.int().min(1).exactOptional(),
    limit: z.int().min(1).max(1000).exactOptional(),
  }),
  auditShow: z.strictObject({ request }),
  auditVerify: nothing,
} as const satisfies { readonly [M in AgentMethod]: z.ZodType<Params<M> extends undefined ? object : Params<M>> };

export const METHODS = Object.keys(PARAMS) as readonly AgentMethod[];

/**
 * The parameters without the `rpc` version that every request carries. Throws `FitError` `version-mismatch` or `usage`;
 * the message names the field and never repeats its value, which may be a secret.
 */
export function parseParams(method: AgentMethod, sent: unknown): object {
  if (typeof sent !== 'object' || sent === null || Array.isArray(sent)) {
    throw new FitError('usage', `${method}: params must be an object with "rpc": ${RPC_VERSION}`);
  }
  const { rpc, ...rest } = sent as Readonly<Record<string, unknown>>;
  if (rpc !== RPC_VERSION) {
    throw new FitError(
      'version-mismatch',
      `the daemon speaks version ${RPC_VERSION} of its interface, the client does not`,
      {
        hint: 'after an update restart the daemon: fit daemon stop, then fit daemon start',
      },
    );
  }
  const parsed = PARAMS[method].safeParse(rest);
  if (parsed.success) return parsed.data;
  const first = parsed.error.issues[0];
  const where = first === undefined || first.path.length === 0 ? '' : `${first.path.join('.')}: `;
  throw new FitError('usage', `${method}: ${where}${first?.message.toLowerCase() ?? 'not understood'}`);
}
