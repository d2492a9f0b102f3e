/**
 * Transition tables as Mermaid state diagrams. docs/protocols holds them between markers; a test regenerates and compares.
 */
import type { Row } from './machine.ts';

type AnyRow = Row<string, string, string, string>;

function edge({ from, on, when, to, effects }: AnyRow): string {
  const guard = when === undefined ? '' : ` [${when}]`;
  const done = effects.length === 0 ? '' : ` / ${effects.join(', ')}`;
  return `  ${from} --> ${to}: ${on}${guard}${done}`;
}

/** `finals`: the phases that end the machine. Rows keep their order, which is the order in which guards are tried. */
export function diagram(table: readonly AnyRow[], start: string, finals: readonly string[]): string {
  return [
    'stateDiagram-v2',
    `  [*] --> ${start}`,
    ...table.map(edge),
    ...finals.map((phase) => `  ${phase} --> [*]`),
  ].join('\n');
}

/** The same rows with the reason for each, as a Markdown table. */
export function rowsOf(table: readonly AnyRow[]): string {
  const cell = (text: string) => text.replaceAll('|', '\\|');
  return [
    '| phase | input | if | next | effects, in order | why |',
    '|---|---|---|---|---|---|',
    ...table.map(({ from, on, when, to, effects, why }) =>
      ['', from, on, when ?? '', to, effects.join(', '), cell(why), ''].join(' | ').trim(),
    ),
  ].join('\n');
}
