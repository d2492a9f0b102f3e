/** What was measured, as rows for people and as JSON beside them; a row may have a budget (DESIGN §14). */

export interface Row {
  /** Dotted; the key in the JSON. */
  readonly id: string;
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** The bound that the value must not cross. */
  readonly most?: number;
  readonly least?: number;
  readonly note?: string;
}

const round = (value: number): number => Number(value.toPrecision(4));

export function within({ value, most, least }: Row): boolean {
  return value <= (most ?? Number.POSITIVE_INFINITY) && value >= (least ?? Number.NEGATIVE_INFINITY);
}

function verdict(row: Row): 'ok' | 'MISSED' | '' {
  if (row.most === undefined && row.least === undefined) return '';
  return within(row) ? 'ok' : 'MISSED';
}

function budget(row: Row): string {
  if (row.most !== undefined) return `≤ ${row.most}`;
  return row.least === undefined ? '' : `≥ ${row.least}`;
}

export function table(rows: readonly Row[]): string {
  const cells = rows.map((row) => [
    row.what,
    String(round(row.value)),
    row.unit,
    budget(row),
    verdict(row),
    row.note ?? '',
  ]);
  const all = [['measured', 'value', 'unit', 'budget', '', ''], ...cells];
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...all.map((cell) => (cell[column] ?? '').length)));
  const line = (cell: readonly string[]): string =>
    cell
      .map((text, column) => (column === 1 ? text.padStart(widths[1] ?? 0) : text.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd();
  return `${all.map(line).join('\n')}\n`;
}

export interface Circumstances {
  readonly node: string;
  readonly cpus: number;
  readonly cpu: string;
  /** Load average of the last minute, at the start: above the number of CPUs, only ratios and CPU times mean much. */
  readonly load: number;
  readonly date: string;
}

export function json(rows: readonly Row[], circumstances: Circumstances): string {
  const measured = rows.map((row) => ({
    ...row,
    value: round(row.value),
    ...(verdict(row) === '' ? {} : { ok: verdict(row) === 'ok' }),
  }));
  return `${JSON.stringify({ schema: 1, ...circumstances, measured })}\n`;
}
