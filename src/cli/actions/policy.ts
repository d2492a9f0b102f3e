/** fit policy show|check|confirm. */
import { FitError, isFitError } from '../../lib/errors.ts';
import type { PolicyVerdict } from '../../rpc/approvals.ts';
import type { Context } from '../context.ts';
import { checkDigest } from '../times.ts';
import * as approvals from '../voice-approvals.ts';
import { prove } from './consent.ts';

export async function show(context: Context): Promise<undefined> {
  const agent = await context.agent();
  const status = await agent.policyShow();
  if (context.out.isJson) context.out.json(status);
  else {
    for (const line of approvals.policy(status)) context.out.line(line);
    if (status.state === 'unconfirmed' || status.state === 'edited') context.out.hint('fit policy confirm');
    if (status.state === 'none') context.out.hint('man fit-policy has an example');
  }
  return undefined;
}

export async function check(context: Context, _options: object, id: string): Promise<undefined> {
  const agent = await context.agent();
  let verdict: PolicyVerdict;
  try {
    verdict = await agent.policyCheck({ request: id });
  } catch (error) {
    if (!isFitError(error) || error.code !== 'not-found') throw error;
    verdict = await agent.policyCheck({ deal: id });
  }
  if (context.out.isJson) context.out.json(verdict);
  else for (const line of approvals.verdict(verdict)) context.out.line(line);
  return undefined;
}

export async function confirm(context: Context, options: { readonly hash?: string }): Promise<undefined> {
  const { out } = context;
  checkDigest(options.hash, '--hash');
  const agent = await context.agent();
  const status = await agent.policyShow();
  if (status.problem !== null)
    throw new FitError('bad-config', `policy.toml: ${status.problem}`, { hint: 'see fit-policy(5)' });
  if (status.hash === null || status.text === null)
    throw new FitError('not-found', `there is no policy to confirm in ${status.path}`, { hint: 'man fit-policy' });
  if (options.hash !== undefined && options.hash !== status.hash)
    throw new FitError('wrong-state', 'the policy is not the one that --hash names: nothing was confirmed');
  if ((await context.givenPassphrase()) === undefined) {
    const { openTerminal } = await import('../terminal.ts');
    const terminal = context.nonInteractive ? undefined : openTerminal();
    if (terminal !== undefined) {
      const { readAndDecide } = await import('../reader.ts');
      await readAndDecide(terminal, {
        heading: `${status.path}, which will decide in your place`,
        text: status.text,
        summary: [...approvals.policy(status), 'confirming lets these rules sign for you until the file is changed'],
        verb: 'confirm',
      });
    }
  }
  await prove(context, agent, 'passphrase, to confirm');
  const confirmed = await agent.policyConfirm({ hash: status.hash });
  if (out.isJson) out.json(confirmed);
  else {
    const count = confirmed.rules.length;
    out.line(`confirmed  ${count === 1 ? '1 rule is' : `${count} rules are`} in force until the file is changed`);
  }
  return undefined;
}
