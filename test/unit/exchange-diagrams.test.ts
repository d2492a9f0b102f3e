/**
 * The pages in docs/protocols show the tables that run: diagrams and rows between markers are generated.
 * `FIT_UPDATE=1 npm test -- exchange-diagrams` writes them anew.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ARBITER } from '../../src/exchange/arbiter.ts';
import { diagram, rowsOf } from '../../src/exchange/diagram.ts';
import { isFinal, ORIGINATOR, PARTY_PHASES, RESPONDER } from '../../src/exchange/party.ts';

const ends = (table: typeof ORIGINATOR) =>
  PARTY_PHASES.filter((phase) => isFinal(phase) && table.some((row) => row.to === phase));

const PAGES = {
  originator: [diagram(ORIGINATOR, 'proving', ends(ORIGINATOR)), rowsOf(ORIGINATOR)],
  responder: [diagram(RESPONDER, 'proving', ends(RESPONDER)), rowsOf(RESPONDER)],
  arbiter: [diagram(ARBITER, 'none', []), rowsOf(ARBITER)],
} as const;

const BEGIN = '<!-- generated from the transition table -->\n';
const END = '<!-- end of the generated part -->';

for (const [name, [picture, rows]] of Object.entries(PAGES)) {
  test(`docs/protocols/${name}.md shows the table that runs`, () => {
    const file = join('docs', 'protocols', `${name}.md`);
    const page = readFileSync(file, 'utf8');
    const from = page.indexOf(BEGIN);
    const to = page.indexOf(END);
    assert.ok(from >= 0 && to > from, 'the markers are there');
    const generated = `${BEGIN}\n\`\`\`mermaid\n${picture}\n\`\`\`\n\n${rows}\n\n`;
    const fresh = page.slice(0, from) + generated + page.slice(to);
    if (process.env.FIT_UPDATE === '1') writeFileSync(file, fresh);
    else assert.equal(page, fresh, 'run FIT_UPDATE=1 npm test -- exchange-diagrams');
  });
}

test('a diagram has one edge per row, in the table’s order', () => {
  for (const table of [ORIGINATOR, RESPONDER, ARBITER]) {
    const lines = diagram(table, 'x', ['y']).split('\n');
    assert.equal(lines.length, table.length + 3);
    assert.equal(lines[0], 'stateDiagram-v2');
  }
  assert.ok(PAGES.originator[0].includes('  promised --> aborting: patience / record, askAbort'));
  assert.ok(PAGES.arbiter[0].includes('  none --> aborted: abort [byOriginator] / record, answer'));
});
