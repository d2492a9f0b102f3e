/**
 * The pages in docs/protocols show the tables that run: diagrams and rows between markers are generated.
 * `FIT_UPDATE=1 npm test -- exchange-diagrams` writes them anew.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ARBITER, CONTENT_ARBITER } from '../../src/exchange/arbiter.ts';
import { diagram, rowsOf } from '../../src/exchange/diagram.ts';
import {
  isFinal,
  ORIGINATOR,
  PARTY_PHASES,
  RECEIVER,
  RESPONDER,
  SENDER,
  SWAP_ORIGINATOR,
  SWAP_RESPONDER,
} from '../../src/exchange/party.ts';
import { TRANSFER_FINALS, TRANSFER_RECEIVER, TRANSFER_SENDER } from '../../src/exchange/transfer.ts';

const ends = (table: typeof ORIGINATOR) =>
  PARTY_PHASES.filter((phase) => isFinal(phase) && table.some((row) => row.to === phase));

const shown = (picture: string, rows: string): string => `\n\`\`\`mermaid\n${picture}\n\`\`\`\n\n${rows}\n\n`;

/** By page; a page with several tables names each in its markers. */
const PAGES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  originator: { '': shown(diagram(ORIGINATOR, 'proving', ends(ORIGINATOR)), rowsOf(ORIGINATOR)) },
  responder: { '': shown(diagram(RESPONDER, 'proving', ends(RESPONDER)), rowsOf(RESPONDER)) },
  arbiter: { '': shown(diagram(ARBITER, 'none', []), rowsOf(ARBITER)) },
  delivery: {
    ': sender': shown(diagram(SENDER, 'proving', ends(SENDER)), rowsOf(SENDER)),
    ': receiver': shown(diagram(RECEIVER, 'proving', ends(RECEIVER)), rowsOf(RECEIVER)),
    ': arbiter': shown(diagram(CONTENT_ARBITER, 'none', []), rowsOf(CONTENT_ARBITER)),
  },
  swap: {
    ': originator': shown(diagram(SWAP_ORIGINATOR, 'proving', ends(SWAP_ORIGINATOR)), rowsOf(SWAP_ORIGINATOR)),
    ': responder': shown(diagram(SWAP_RESPONDER, 'proving', ends(SWAP_RESPONDER)), rowsOf(SWAP_RESPONDER)),
  },
  transfer: {
    ': sender': shown(diagram(TRANSFER_SENDER, 'ready', TRANSFER_FINALS), rowsOf(TRANSFER_SENDER)),
    ': receiver': shown(diagram(TRANSFER_RECEIVER, 'waiting', TRANSFER_FINALS), rowsOf(TRANSFER_RECEIVER)),
  },
};

for (const [name, tables] of Object.entries(PAGES)) {
  test(`docs/protocols/${name}.md shows the tables that run`, () => {
    const file = join('docs', 'protocols', `${name}.md`);
    const page = readFileSync(file, 'utf8');
    let fresh = page;
    for (const [which, generated] of Object.entries(tables)) {
      const begin = `<!-- generated from the transition table${which} -->\n`;
      const from = fresh.indexOf(begin);
      const to = fresh.indexOf(`<!-- end of the generated part${which} -->`);
      assert.ok(from >= 0 && to > from, `the markers${which} are there`);
      fresh = fresh.slice(0, from) + begin + generated + fresh.slice(to);
    }
    if (process.env.FIT_UPDATE === '1') writeFileSync(file, fresh);
    else assert.equal(page, fresh, 'run FIT_UPDATE=1 npm test -- exchange-diagrams');
  });
}

test('a diagram has one edge per row, in the table’s order', () => {
  for (const table of [
    ORIGINATOR,
    RESPONDER,
    ARBITER,
    SENDER,
    RECEIVER,
    CONTENT_ARBITER,
    SWAP_ORIGINATOR,
    SWAP_RESPONDER,
  ]) {
    const lines = diagram(table, 'x', ['y']).split('\n');
    assert.equal(lines.length, table.length + 3);
    assert.equal(lines[0], 'stateDiagram-v2');
  }
  assert.match(diagram(ORIGINATOR, 'x', []), /^ {2}promised --> aborting: patience \/ record, askAbort$/m);
  assert.match(diagram(ARBITER, 'x', []), /^ {2}none --> aborted: abort \[byOriginator\] \/ record, answer$/m);
  assert.match(diagram(RECEIVER, 'x', []), /^ {2}opening --> complaining: wrong \/ record, complain$/m);
});
