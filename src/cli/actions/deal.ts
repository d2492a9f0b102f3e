/** fit deal list|show|diff|explain|wait|export: looking at deals and taking the evidence out. */
import { fromUtf8 } from '../../lib/bytes.ts';
import { EXIT, FitError } from '../../lib/errors.ts';
import type { AgentClient } from '../../rpc/client.ts';
import { columnsOf } from '../columns.ts';
import type { Context } from '../context.ts';
import { writeFolder, writeOutput } from '../files.ts';
import { parseNumber, parseStates, parseTimeoutMs } from '../times.ts';
import * as voice from '../voice.ts';
import { next as nextOf, treeOf } from '../voice-delivery.ts';
import { reportWaited } from './outcome.ts';

interface ListOptions {
  readonly state?: string;
  readonly tree?: boolean;
}

export async function list(context: Context, options: ListOptions): Promise<undefined> {
  const states = options.state === undefined ? undefined : parseStates(options.state);
  const agent = await context.agent();
  const { deals } = await agent.dealList();
  const some = states === undefined ? deals : deals.filter((one) => states.includes(one.state));
  const wanted = options.tree === true ? treeOf(some) : some;
  if (context.out.isJson) context.out.json({ deals: wanted });
  else for (const line of voice.deals(wanted, columnsOf(process.stdout))) context.out.line(line);
  return undefined;
}

interface ShowOptions {
  readonly text?: boolean;
  readonly number?: string;
}

async function showText(context: Context, agent: AgentClient, deal: string, number: string | undefined): Promise<void> {
  const { out } = context;
  const text = await agent.dealText({
    deal,
    ...(number === undefined ? {} : { version: parseNumber(number, '--number') }),
  });
  const bytes = Buffer.from(text.data, 'base64');
  if (out.isJson) {
    out.json({ deal: text.deal, version: text.version, document: text.document, text: fromUtf8(bytes) });
  } else if (process.stdout.isTTY) {
    const { safeText } = await import('../../lib/text.ts');
    process.stdout.write(safeText(fromUtf8(bytes), { maxLength: bytes.length + 1, multiline: true }));
  } else await out.bytes(bytes);
}

export async function show(context: Context, options: ShowOptions, deal: string): Promise<undefined> {
  if (options.number !== undefined && options.text !== true) throw new FitError('usage', '--number needs --text');
  const agent = await context.agent();
  if (options.text === true) {
    await showText(context, agent, deal, options.number);
    return undefined;
  }
  const result = await agent.dealShow({ deal });
  const view = result.kind !== 'contract' ? await agent.deliveryShow({ deal: result.deal }) : null;
  if (context.out.isJson) context.out.json(view === null ? result : { ...result, delivery: view });
  else {
    for (const line of voice.deal(result, view)) context.out.line(line);
    const taking = view === null ? undefined : nextOf(view, result.deal.slice(0, 4));
    const next = taking ?? voice.next(result);
    if (next !== undefined) context.out.hint(next);
  }
  return undefined;
}

interface DiffOptions {
  readonly from?: string;
  readonly to?: string;
}

export async function diff(context: Context, options: DiffOptions, given: string): Promise<undefined> {
  const { out } = context;
  const agent = await context.agent();
  const { deal, version } = await agent.dealShow({ deal: given });
  const to = options.to === undefined ? version : parseNumber(options.to, '--to');
  const from = options.from === undefined ? to - 1 : parseNumber(options.from, '--from');
  if (from < 1) {
    throw new FitError('wrong-state', 'there is only one version: nothing to compare it with', {
      hint: `fit deal show ${deal} --text`,
    });
  }
  const [before, after] = await Promise.all([from, to].map((one) => agent.dealText({ deal, version: one })));
  const { changesBetween, formatChanges } = await import('../diff.ts');
  const text = (data: string | undefined) => fromUtf8(Buffer.from(data ?? '', 'base64'));
  const changes = changesBetween(text(before?.data), text(after?.data));
  if (out.isJson) {
    out.json({ deal, from, to, changes });
    return undefined;
  }
  const lines = formatChanges(out, changes);
  out.talk(`version ${from} → version ${to}`);
  if (lines.length === 0) out.talk('the texts are the same');
  for (const line of lines) out.line(line);
  return undefined;
}

export async function explain(context: Context, _options: object, deal: string): Promise<undefined> {
  const agent = await context.agent();
  const result = await agent.dealExplain({ deal });
  if (context.out.isJson) context.out.json(result);
  else for (const line of voice.explain(result, columnsOf(process.stdout))) context.out.line(line);
  return undefined;
}

interface WaitOptions {
  readonly for: string;
  readonly timeout?: string;
}

export async function wait(context: Context, options: WaitOptions, deal: string): Promise<number> {
  const states = parseStates(options.for);
  const timeoutMs = parseTimeoutMs(options.timeout);
  const agent = await context.agent();
  const started = Date.now();
  const waiting = agent.dealWait({ deal, for: states, timeoutMs });
  const waited = await context.out.busy(`waiting for ${voice.peer(deal)}`, waiting);
  // What had ended before took none of our time.
  const { updated } = await agent.dealShow({ deal: waited.deal });
  return reportWaited(context, agent, waited, {}, Date.parse(updated) < started - 1000 ? null : started);
}

interface ExportOptions {
  readonly out?: string;
  readonly dir?: string;
  readonly force?: boolean;
}

export async function exportEvidence(context: Context, options: ExportOptions, given: string): Promise<number> {
  const { out } = context;
  const force = options.force === true;
  if ((options.out === undefined) === (options.dir === undefined)) {
    throw new FitError('usage', 'give one of --out and --dir', {
      hint: `fit deal export ${voice.peer(given)} --out deal.asics`,
    });
  }
  if (options.out === '-' && out.isJson) throw new FitError('usage', '--out - and --json both want standard output');
  const agent = await context.agent();
  const form = options.dir === undefined ? 'asics' : 'files';
  const { deal, files } = await out.busy('collecting the evidence', agent.dealExport({ deal: given, form }));
  if (options.dir !== undefined) {
    const written = writeFolder(options.dir, files, force);
    if (out.isJson) out.json({ deal, dir: options.dir, files: files.map((file) => file.name) });
    else {
      out.talk(`wrote ${written.length} files to ${options.dir}`);
      out.hint(`fit verify ${options.dir}`);
    }
    return EXIT.done;
  }
  const [bundle] = files;
  if (bundle === undefined || options.out === undefined) throw new FitError('internal', 'the daemon sent no evidence');
  await writeOutput(out, options.out, Buffer.from(bundle.data, 'base64'), { force });
  if (options.out === '-') return EXIT.done;
  if (out.isJson) out.json({ deal, file: options.out });
  else {
    out.talk(`wrote the evidence to ${options.out}`);
    out.hint(`fit verify ${options.out}`);
  }
  return EXIT.done;
}
