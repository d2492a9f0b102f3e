/** fit deal propose|counter|decline|withdraw|message. */
import { fromUtf8, utf8 } from '../../lib/bytes.ts';
import { parseDuration } from '../../lib/duration.ts';
import { FitError, isFitError } from '../../lib/errors.ts';
import { lint, MAX_TEXT_BYTES } from '../../lib/lint.ts';
import type { DealChange } from '../../rpc/agent.ts';
import type { AgentClient } from '../../rpc/client.ts';
import type { Context } from '../context.ts';
import { readInput } from '../files.ts';
import * as voice from '../voice.ts';
import { prove, requireUnlocked } from './consent.ts';
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

type Offer = (document: Uint8Array, dryRun: boolean) => Promise<DealChange>;

/** What the daemon sets at the moment of offering, so that a draft of a minute ago has it differently. */
const SET_ON_OFFERING = /^(deal|offer_until|not_after) = /;

function isSameBut(shown: string, offered: string): boolean {
  const [before, after] = [shown, offered].map((text) => text.split('\n'));
  if (before === undefined || after === undefined || before.length !== after.length) return false;
  return before.every((line, at) => {
    const other = after[at] ?? '';
    const names = [line, other].map((one) => SET_ON_OFFERING.exec(one)?.[1]);
    return line === other || (names[0] !== undefined && names[0] === names[1]);
  });
}

/**
 * At a terminal, without a source for the passphrase: the person reads the completed text first. Should anything but its
 * id and its times come out differently when it is offered, the offer is withdrawn at once.
 */
async function readAndOffer(
  context: Context,
  agent: AgentClient,
  document: Uint8Array,
  offer: Offer,
): Promise<DealChange> {
  const { openTerminal } = await import('../terminal.ts');
  const terminal = context.nonInteractive ? undefined : openTerminal();
  if (terminal === undefined) {
    await prove(context, agent);
    return offer(document, false);
  }
  const draft = await offer(document, true);
  const text = draft.text ?? fromUtf8(document);
  const { readAndDecide } = await import('../reader.ts');
  await readAndDecide(terminal, {
    heading: 'your offer, as the other side will see it',
    text,
    summary: [
      ...draft.warnings.map((warning) => `warning: ${voice.peer(warning, 500)}`),
      'offering is your consent to sign exactly this text once, against their signature on it',
      'its id and its times count from the moment of offering',
    ],
    verb: 'propose',
  });
  await prove(context, agent, 'passphrase, to propose');
  const change = await offer(document, false);
  if (change.text !== undefined && !isSameBut(text, change.text)) {
    await agent.dealWithdraw({ deal: change.deal });
    throw new FitError('wrong-state', 'the text came out differently from what you had read: the offer was withdrawn');
  }
  return change;
}

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
    const draft = await offer(document, true);
    if (out.isJson) out.json(draft);
    else {
      warn(context, draft.warnings);
      await out.bytes(utf8(draft.text ?? ''));
    }
    return undefined;
  }
  await requireUnlocked(agent);
  const given = await context.givenPassphrase();
  if (given === undefined) {
    const change = await readAndOffer(context, agent, document, offer);
    return finish(context, agent, change, options, said);
  }
  await prove(context, agent);
  const change = await offer(document, false);
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
    (agent) => (document, dryRun) =>
      agent.dealPropose({
        document: base64(document),
        to: options.to,
        arbiter: options.arbiter,
        dryRun,
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
    (agent) => (document, dryRun) => agent.dealCounter({ deal, document: base64(document), dryRun, ...expires }),
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
