/**
 * What takes several steps: signing what this terminal asks for or a program asked for, writing in an editor, exporting.
 * Every signature goes one way: a request that keeps the bytes, the reader to its end, the question, the grant.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fromUtf8 } from '../../lib/bytes.ts';
import { FitError, isFitError } from '../../lib/errors.ts';
import { MAX_TEXT_BYTES } from '../../lib/lint.ts';
import type { ApprovalRequest } from '../../rpc/approvals.ts';
import { readInput, writeFolder } from '../files.ts';
import { takeFiles } from '../place.ts';
import * as voice from '../voice.ts';
import * as approvals from '../voice-approvals.ts';
import { ask, confirm } from './modals/ask.tsx';
import { askToSign } from './modals/sign.tsx';
import { payerOf, problemOf, textOfFields } from './proposal.ts';
import { readToSign } from './screens/reader.tsx';
import { type Ui, wordsOf } from './ui.tsx';

function say(ui: Ui, kind: 'done' | 'failed', text: string): void {
  ui.notice.set({ kind, text });
}

/** Reads and decides one request; true if it was signed. */
export async function decide(ui: Ui, asked: ApprovalRequest, verb: string): Promise<boolean> {
  const { session, navigation } = ui;
  const { request, text } = await session.agent.approveShow({ request: asked.id });
  const bytes = Buffer.from(text, 'base64');
  // What is read here is what is granted, whoever serves the socket.
  if (createHash('sha256').update(bytes).digest('hex') !== request.digest)
    throw new FitError('wrong-state', 'the text is not the one that the request is for: nothing was signed');
  const title = `${voice.peer(request.title, 40)} · with ${approvals.peerOf(request)}`;
  const { screen, wants } = readToSign(title, fromUtf8(bytes), verb);
  navigation.push(screen);
  if (!(await wants)) return false;
  let failure: unknown;
  let signed = false;
  let isForgotten = false;
  do {
    isForgotten = false;
    signed = await askToSign(ui, request, verb, async (passphrase) => {
      if (passphrase !== undefined) await session.prove(passphrase);
      try {
        await session.agent.approveGrant({ request: request.id, digest: request.digest });
      } catch (error) {
        // The proof of before has ended unnoticed: asked again, now for the passphrase.
        isForgotten = isFitError(error) && error.code === 'needs-passphrase';
        if (!isForgotten) failure = error;
        throw error;
      }
    });
  } while (isForgotten);
  navigation.pop();
  if (failure !== undefined) say(ui, 'failed', wordsOf(failure));
  return signed;
}

/** A signature that is wanted at this terminal. `hold` fails with the request that waits for this connection. */
export async function signHeld(ui: Ui, verb: string, hold: () => Promise<unknown>): Promise<boolean> {
  let request: ApprovalRequest | undefined;
  try {
    await hold();
  } catch (error) {
    if (!isFitError(error) || error.code !== 'needs-approval') {
      say(ui, 'failed', wordsOf(error));
      return false;
    }
    request = error.data?.request as ApprovalRequest;
  }
  if (request === undefined) return false;
  const signed = await decide(ui, request, verb);
  if (!signed) await ui.session.agent.approveRefuse({ request: request.id }).catch(() => {});
  say(ui, signed ? 'done' : 'failed', signed ? `${verb} ${request.deal.slice(0, 4)}: done` : 'nothing was signed');
  return signed;
}

/** `text` in the person's editor; undefined if it was left as it was. The draft stays in the state folder. */
export async function edit(ui: Ui, name: string, text: string): Promise<string | undefined> {
  const folder = join(ui.context.paths().state, 'drafts');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, `${name}.md`);
  writeFileSync(file, text, { mode: 0o600 });
  const editor = ui.context.environment.VISUAL ?? ui.context.environment.EDITOR ?? 'vi';
  const code = await ui.lend(
    () =>
      new Promise<number>((done) => {
        // As everywhere: the variable may have arguments of its own.
        const child = spawn('/bin/sh', ['-c', `${editor} "$1"`, 'sh', file], { stdio: 'inherit' });
        child.once('error', () => done(127));
        child.once('close', (status) => done(status ?? 1));
      }),
  );
  if (code !== 0) {
    say(ui, 'failed', `the editor ended with ${code}: set EDITOR; the draft is in ${file}`);
    return undefined;
  }
  return fromUtf8(await readInput(file, MAX_TEXT_BYTES));
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

const BLANK = `+++
title = ""
+++
# Title

What each side gives and gets, by when, and what happens if not.
`;

/** One field of a proposal, asked until nothing is wrong with it. */
async function askField(ui: Ui, field: 'give' | 'want' | 'amount', label: string, about: string) {
  for (let problem: string | undefined, first = ''; ; ) {
    const lines = problem === undefined ? [about] : [about, problem];
    const text = (await ask(ui, 'What each side gives', label, { lines, first }))?.trim();
    if (text === undefined) return undefined;
    problem = problemOf(field, text);
    if (problem === undefined) return text;
    first = text;
  }
}

/** The text of a proposal out of its fields, or out of the editor if nothing is named; undefined: the person left. */
async function compose(ui: Ui, to: string): Promise<string | undefined> {
  const give = await askField(
    ui,
    'give',
    'you give',
    'in words; empty if you only pay, or to write all of it yourself',
  );
  if (give === undefined) return undefined;
  const want = await askField(ui, 'want', 'you want', 'in words; empty if they only pay');
  if (want === undefined) return undefined;
  if (give === '' && want === '') return edit(ui, `to-${to}`, BLANK);
  const payer = payerOf({ give, want });
  const pays = payer === 'you' ? 'that you pay' : payer === 'them' ? 'that they pay' : 'that one side pays';
  const amount = await askField(ui, 'amount', 'amount', `${pays}: EUR 120.00; empty if no money is paid`);
  if (amount === undefined) return undefined;
  if (payer !== undefined || amount === '') return textOfFields({ give, want, amount, paidBy: payer ?? 'them' });
  const who = await ask(ui, 'What each side gives', 'paid by', { lines: ['you or them'], first: 'them' });
  if (who === undefined) return undefined;
  if (who !== 'you' && who !== 'them') throw new FitError('usage', 'who pays is you or them: nothing was proposed');
  return textOfFields({ give, want, amount, paidBy: who });
}

/** A new proposal: from a file, from its fields, or written in the editor. */
export async function propose(ui: Ui): Promise<void> {
  const { contacts } = ui.session.snapshot();
  const names = contacts.map((one) => one.contact).join(', ') || 'none yet';
  const to = await ask(ui, 'New proposal', 'to', { lines: [`your contacts: ${voice.peer(names, 200)}`] });
  if (to === undefined || to === '') return;
  const arbiters = ui.session
    .snapshot()
    .contacts.filter((one) => one.roles.includes('arbiter'))
    .map((one) => one.contact);
  const arbiter = await ask(ui, `New proposal to ${to}`, 'arbiter', { first: arbiters[0] ?? '' });
  if (arbiter === undefined || arbiter === '') return;
  const file = await ask(ui, `New proposal to ${to}`, 'file', {
    lines: ['empty: say what each side gives, or write it in your editor'],
  });
  if (file === undefined) return;
  const text = file === '' ? await compose(ui, to) : fromUtf8(await readInput(resolve(file), MAX_TEXT_BYTES));
  if (text === undefined) return;
  const document = base64(text);
  await signHeld(ui, 'propose', () => ui.session.agent.dealPropose({ document, to, arbiter, hold: true }));
}

export async function counter(ui: Ui, deal: string): Promise<void> {
  const { data } = await ui.session.agent.dealText({ deal });
  const before = fromUtf8(Buffer.from(data, 'base64'));
  const text = await edit(ui, `counter-${deal}`, before);
  if (text === undefined) return;
  if (text === before) return say(ui, 'failed', 'the text is the same: no counter-offer was made');
  await signHeld(ui, 'counter', () => ui.session.agent.dealCounter({ deal, document: base64(text), hold: true }));
}

const PATHS = 'whole paths or from here, separated by two spaces';

/** The files that a person names in one line. */
const pathsIn = (line: string): readonly string[] =>
  line
    .split(/ {2,}/)
    .map((one) => one.trim())
    .filter((one) => one !== '')
    .map((one) => resolve(one));

/** Files of ours under a contract, for a signed receipt; or for what a swap of theirs wants. */
export async function deliver(ui: Ui, deal: string, swap: boolean): Promise<void> {
  const line = await ask(ui, swap ? 'Answer with files' : 'Deliver files', 'files', { lines: [PATHS] });
  const files = pathsIn(line ?? '');
  if (files.length === 0) return;
  await signHeld(ui, swap ? 'swap' : 'deliver', () =>
    ui.session.agent.dealDeliver({ files, deal, ...(swap ? { swap } : {}), hold: true }),
  );
}

/** What was delivered to us, to a folder of the person's. */
export async function takeDelivered(ui: Ui, deal: string): Promise<void> {
  const dir = await ask(ui, 'Take the files', 'folder', { first: '.' });
  if (dir === undefined || dir === '') return;
  const { placed, trouble } = await takeFiles(ui.session.agent, deal, resolve(dir));
  if (placed.length === 0) return say(ui, 'failed', 'there is nothing to take');
  say(
    ui,
    trouble === null ? 'done' : 'failed',
    voice.peer(trouble ?? `took ${placed.length === 1 ? 'the file' : `${placed.length} files`} to ${dir}`, 200),
  );
}

export async function exportEvidence(ui: Ui, deal: string): Promise<void> {
  const first = `${deal.slice(0, 6)}-evidence`;
  const dir = await ask(ui, 'Export the evidence', 'folder', { first });
  if (dir === undefined || dir === '') return;
  const { files } = await ui.session.agent.dealExport({ deal, form: 'files' });
  try {
    const written = writeFolder(resolve(dir), files, false);
    say(ui, 'done', `wrote ${written.length} files to ${dir}: fit verify ${dir}`);
  } catch (error) {
    if (!isFitError(error) || error.code !== 'file-exists') throw error;
    if (!(await confirm(ui, 'Export the evidence', [`there are files in ${dir} already`], 'replace them'))) return;
    writeFolder(resolve(dir), files, true);
    say(ui, 'done', `wrote ${files.length} files to ${dir}`);
  }
}
