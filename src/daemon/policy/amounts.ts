/** Amounts as texts have them (`EUR 120.00`), exactly: whole numbers of 10^-8 of the unit. */
export interface Amount {
  readonly unit: string;
  readonly value: bigint;
}

const PATTERN = /^([A-Z]{3}) (0|[1-9][0-9]{0,14})(?:\.([0-9]{1,8}))?$/;
const DECIMALS = 8;

/** Undefined for anything else than what a text may have. */
export function parseAmount(text: string): Amount | undefined {
  const [, unit, whole, part = ''] = PATTERN.exec(text) ?? [];
  if (unit === undefined || whole === undefined) return undefined;
  return { unit, value: BigInt(whole + part.padEnd(DECIMALS, '0')) };
}

/** With two decimals at least. */
export function formatAmount({ unit, value }: Amount): string {
  const digits = value.toString().padStart(DECIMALS + 1, '0');
  const part = digits.slice(-DECIMALS).replace(/0{1,6}$/, '');
  return `${unit} ${digits.slice(0, -DECIMALS)}.${part}`;
}

/** By unit. What is no amount counts as more than any limit: undefined. */
export function sum(amounts: Iterable<string>): ReadonlyMap<string, bigint> | undefined {
  const total = new Map<string, bigint>();
  for (const text of amounts) {
    const amount = parseAmount(text);
    if (amount === undefined) return undefined;
    total.set(amount.unit, (total.get(amount.unit) ?? 0n) + amount.value);
  }
  return total;
}
