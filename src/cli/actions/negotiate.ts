/** fit deal propose|counter|decline|withdraw|message. */
import { fromUtf8, utf8 } from '../../lib/bytes.ts';
import { parseDuration } from '../../lib/duration.ts';
import { FitError, isFitError } from '../../lib/errors.ts';
import { lint, MAX_TEXT_BYTES } from '../../lib/lint.ts';
import type { DealChange } from '../../rpc/agent.ts';
import type { AgentClient } from '../../rpc/client.ts';
import type { Context } from '../context.ts';
import { readInput } from '../files.ts';
import { hasTerminal, prove, requireUnlocked } from './consent.ts';
import { checkWaitOptions, finish, type WaitOptions, warn } from './outcome.ts';

interface OfferOptions extends WaitOptions {
  readonly expires?: string;
  readonly dryRun?: boolean;
}

interface ProposeOptions extends OfferOptions {
  readonly to: string;
  readonly arbiter: string;
  readonly mode?: 'invisible' | 'affidavit';
}

/** Refuses here what could never be signed, before a passphrase is asked for. */
async function readDocument(file: string): Promise<Uint8Array> {
  let bytes: Uint8Array;
  try {
    bytes = await readInput(file, MAX_TEXT_BYTES);
  } catch (error) {
    if (!isFitError(error) || !error.message.includes('is larger than')) throw error;
    throw new FitError('bad-document', error.message, {
      hint: 'put the bulk into attachments and sign their digests',
      cause: error,
    });
  }
  const findings = lint(bytes);
  if (findings.length === 0) return bytes;
  const [first] = findings;
  throw new FitError(
    'bad-document',
    `the text may not be signed: line ${first?.line}, column ${first?.column}: ${first?.message}`,
    {
      hint: `fit lint ${file} lists everything`,
      data: { findings },
    },
  );
}

interface Asked {
  readonly dryRun?: boolean;
  readonly hold?: boolean;
}

type Offer = (document: Uint8Array, asked: Asked) => Promise<DealChange>;

async function make(
  context: Context,
  options: OfferOptions,
  file: string,
  said: string,
  offerTo: (agent: AgentClient) => Offer,
): Promise<number | undefined> {
  checkWaitOptions(options);
  const { out } = context;
  const document = await readDocument(file);
  const agent = await context.agent();
  const offer = offerTo(agent);
  if (options.dryRun === true) {
    const draft = await offer(document, { dryRun: true });
    if (out.isJson) out.json(draft);
    else {
      warn(context, draft.warnings);
      await out.bytes(utf8(draft.text ?? ''));
    }
    return undefined;
  }
  await requireUnlocked(agent);
  const given = await context.givenPassphrase();
  if (given === undefined && (await hasTerminal(context))) {
    const { decideHeld } = await import('./approve.ts');
    const granted = await decideHeld(context, agent, 'propose', () => offer(document, { hold: true }));
    const { state } = await agent.dealShow({ deal: granted.deal });
    const change = { deal: granted.deal, document: granted.request.digest, state, warnings: [] };
    return finish(context, agent, change, options, said);
  }
  // Without the passphrase a rule may decide; else the request waits for a person.
  if (given !== undefined) await prove(context, agent);
  const change = await offer(document, {});
  if (!out.isJson && change.text !== undefined) {
    const { layOut } = await import('../reader.ts');
    process.stderr.write(`${layOut(change.text, process.stderr.columns ?? 100).join('\n')}\n`);
  }
  return finish(context, agent, change, options, said);
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

export async function propose(context: Context, options: ProposeOptions, file: string): Promise<number | undefined> {
  const expires = options.expires === undefined ? {} : { expires: parseDuration(options.expires) };
  const mode = options.mode === undefined ? {} : { mode: options.mode };
  return make(
    context,
    options,
    file,
    'offered',
    (agent) => (document, asked) =>
      agent.dealPropose({
        document: base64(document),
        to: options.to,
        arbiter: options.arbiter,
        ...asked,
        ...expires,
        ...mode,
      }),
  );
}

export async function counter(
  context: Context,
  options: OfferOptions,
  deal: string,
  file: string,
): Promise<number | undefined> {
  const expires = options.expires === undefined ? {} : { expires: parseDuration(options.expires) };
  return make(
    context,
    options,
    file,
    'countered',
    (agent) => (document, asked) => agent.dealCounter({ deal, document: base64(document), ...asked, ...expires }),
  );
}

export async function decline(
  context: Context,
  options: { readonly reason?: string },
  deal: string,
): Promise<number | undefined> {
  const agent = await context.agent();
  const reason = options.reason === undefined ? {} : { reason: options.reason };
  return finish(context, agent, await agent.dealDecline({ deal, ...reason }), {}, 'declined');
}

export async function withdraw(context: Context, _options: object, deal: string): Promise<number | undefined> {
  const agent = await context.agent();
  return finish(context, agent, await agent.dealWithdraw({ deal }), {}, 'withdrawn');
}

const MAX_MESSAGE_BYTES = 16 * 1024;

export async function message(
  context: Context,
  _options: object,
  deal: string,
  given: string,
): Promise<number | undefined> {
  const text = given === '-' ? fromUtf8(await readInput('-', MAX_MESSAGE_BYTES)).trimEnd() : given;
  if (text === '') throw new FitError('usage', 'the message is empty');
  const agent = await context.agent();
  return finish(context, agent, await agent.dealMessage({ deal, text }), {}, 'sent to');
}
