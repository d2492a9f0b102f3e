/**
 * How files are given: in a fair exchange against a receipt, through an arbiter, or as a one-way transfer with chosen attributes.
 * Guarantee: options that do not go together are refused with the reason, before anything is read or asked for.
 */
import { FitError } from '../../lib/errors.ts';

export const RECEIPTS = ['fair', 'asked', 'none'] as const;

export interface AttributeOptions {
  readonly arbiter?: string;
  readonly check?: string;
  readonly receipt?: (typeof RECEIPTS)[number];
  readonly wantReceipt?: boolean;
  /** `--no-origin`. */
  readonly origin?: boolean;
}

export interface Attributes {
  readonly origin: boolean;
  readonly receipt: 'asked' | 'none';
}

const usage = (message: string, hint: string): FitError => new FitError('usage', message, { hint });

/** The attributes of a transfer, or undefined for a fair exchange. `usual`: what holds where nothing is said. */
export function attributesOf(options: AttributeOptions, usual: 'fair' | 'asked'): Attributes | undefined {
  const { arbiter, check, wantReceipt = false, origin = true } = options;
  const receipt = options.receipt ?? (wantReceipt ? 'fair' : usual);
  if (receipt === 'fair') {
    if (!origin)
      throw usage(
        '--no-origin is for transfers: in a fair exchange the statement of origin is what a proof of wrong content rests on',
        'add --receipt asked or --receipt none',
      );
    return undefined;
  }
  if (wantReceipt)
    throw usage(`--want-receipt and --receipt ${receipt} say different things`, 'leave one of them away');
  if (arbiter !== undefined)
    throw usage(
      `there is no arbiter with --receipt ${receipt}: that is a transfer`,
      'leave --arbiter or --receipt away',
    );
  if (check !== undefined)
    throw usage(
      '--check is about what the arbiter compares, and a transfer has none',
      'the receiver compares every part by itself: leave --check away',
    );
  return { origin, receipt };
}

/** What a transfer means, in one sentence. `them` is safe to show. */
export function meaningOf({ receipt }: Attributes, them: string): string {
  return receipt === 'asked'
    ? `no arbiter: a transfer; ${them} can keep it without signing a receipt`
    : `no arbiter: a transfer; ${them} is asked for no receipt`;
}
