/** fit arbiter terms|cases, archive verify, events, doctor. */
import { existsSync } from 'node:fs';
import { utf8 } from '../../lib/bytes.ts';
import { EXIT, FitError, isFitError } from '../../lib/errors.ts';
import { connectIfRunning } from '../autostart.ts';
import type { Context } from '../context.ts';
import { writeOutput } from '../files.ts';
import { jsonLine } from '../output.ts';
import { parseNumber } from '../times.ts';
import * as voice from '../voice.ts';

export async function terms(
  context: Context,
  options: { readonly out?: string; readonly force?: boolean },
): Promise<undefined> {
  const agent = await context.agent();
  const result = await agent.arbiterTerms();
  const file = options.out ?? '-';
  if (context.out.isJson && file === '-') context.out.json(result);
  else await writeOutput(context.out, file, utf8(result.terms), { force: options.force === true });
  if (file !== '-') {
    if (context.out.isJson) context.out.json({ file, sha256: result.sha256 });
    else context.out.talk(`wrote ${file}`);
  }
  return undefined;
}

export async function cases(context: Context): Promise<undefined> {
  const agent = await context.agent();
  const result = await agent.arbiterCases();
  if (context.out.isJson) context.out.json(result);
  else for (const line of voice.cases(result.cases)) context.out.line(line);
  return undefined;
}

export async function archiveVerify(context: Context): Promise<number> {
  const agent = await context.agent();
  const result = await context.out.busy('reading every record', agent.archiveVerify());
  if (context.out.isJson) context.out.json(result);
  else if (result.ok) {
    context.out.line(`the archive is whole: ${result.records} records, ${result.entries} entries of the journal`);
  } else context.out.line(`the archive is damaged: ${voice.peer(result.problem ?? 'unknown', 500)}`);
  return result.ok ? EXIT.done : EXIT.negative;
}

interface EventsOptions {
  readonly since?: string;
  readonly limit?: string;
}

export async function events(context: Context, options: EventsOptions): Promise<undefined> {
  const since = options.since === undefined ? {} : { since: parseNumber(options.since, '--since') };
  const limit = options.limit === undefined ? Number.POSITIVE_INFINITY : parseNumber(options.limit, '--limit');
  if (limit === 0) return undefined;
  const agent = await context.agent();
  const enough = new Promise<void>((resolve) => {
    let count = 0;
    agent.onEvent((event) => {
      if (count >= limit) return;
      process.stdout.write(context.out.isJson ? jsonLine(event) : `${voice.event(event)}\n`);
      if (++count >= limit) resolve();
    });
  });
  await agent.subscribe(since);
  const lost = agent.closed.then(() => {
    throw new FitError('daemon-unreachable', 'the daemon has stopped');
  });
  await Promise.race([enough, lost]);
  // The other promise is of no interest any more.
  lost.catch(() => {});
  return undefined;
}

interface Check {
  readonly check: string;
  readonly ok: boolean;
  readonly detail: string;
}

async function daemonChecks(context: Context): Promise<readonly Check[]> {
  const paths = context.paths();
  const hasHome = existsSync(paths.config);
  const here: Check[] = [
    { check: 'node', ok: true, detail: process.versions.node },
    { check: 'home', ok: hasHome, detail: hasHome ? paths.home : `no trader in ${paths.home}: fit init` },
  ];
  if (!hasHome) return here;
  try {
    const agent = await connectIfRunning(paths);
    if (agent === undefined) {
      return [
        ...here,
        { check: 'daemon', ok: false, detail: `not running: fit daemon start; its log is ${paths.log}` },
      ];
    }
    try {
      const { checks } = await agent.doctor();
      return [...here, { check: 'daemon', ok: true, detail: `answers on ${paths.socket}` }, ...checks];
    } finally {
      agent.close();
    }
  } catch (error) {
    if (!isFitError(error)) throw error;
    return [...here, { check: 'daemon', ok: false, detail: `${error.message}; its log is ${paths.log}` }];
  }
}

export async function doctor(context: Context): Promise<number> {
  const { out } = context;
  const checks = await daemonChecks(context);
  const ok = checks.every((one) => one.ok);
  if (out.isJson) out.json({ ok, checks });
  else {
    const rows = checks.map((one) => [one.ok ? 'good' : 'BAD', one.check, voice.peer(one.detail, 300)] as const);
    for (const line of voice.table(['', 'CHECK', 'DETAIL'], rows)) out.line(line);
  }
  return ok ? EXIT.done : EXIT.negative;
}
