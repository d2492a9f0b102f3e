/** Containers that are too much, made by the letter of the format: 1 000 levels, a cycle by hash, more than a million tiny files. */
import assert from 'node:assert/strict';
import { closeSync, existsSync, openSync, readdirSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { encodeHead, encodeRecord, framed, MAX_NODES } from '../../src/exchange/container-format.ts';
import { type Built, build, hashOf, type Spec } from '../support/containers.ts';
import { endAll, fit, temporary } from '../support/traders.ts';

after(endAll);
const folder = temporary();

/** A file of these records, behind a head that fits them. */
function written(name: string, hash: Uint8Array, records: Iterable<Uint8Array>): string {
  const path = join(folder, name);
  const fd = openSync(path, 'w');
  const head = (treeBytes: number) => encodeHead({ root: hash, treeBytes, contentBytes: 0, sealsBytes: 0 });
  let treeBytes = 0;
  let block: Uint8Array[] = [];
  writeSync(fd, head(0));
  const flush = (): void => {
    const bytes = Buffer.concat(block);
    block = [];
    treeBytes += bytes.length;
    writeSync(fd, bytes);
  };
  for (const record of records) {
    block.push(framed(record));
    if (block.length === 10_000) flush();
  }
  flush();
  writeSync(fd, head(treeBytes), 0, undefined, 0);
  closeSync(fd);
  return path;
}

const ofBuilt = (name: string, { hash, records }: Built): string => written(name, hash, records);

/** Refused in one sentence, and nothing is taken out. */
async function refused(file: string, why: RegExp, commands: readonly string[] = ['inspect', 'unpack']): Promise<void> {
  const to = `${file}.out`;
  for (const args of commands.map((one) => [one, file, ...(one === 'unpack' ? ['--to', to] : [])])) {
    const { code, stdout, stderr } = await fit(args);
    assert.ok(code === 1 || code === 2, `${args[0]}: ${code} ${stderr}`);
    assert.match(`${stdout}${stderr}`, why);
    assert.doesNotMatch(stderr, /internal error|Maximum call stack/);
  }
  assert.ok(!existsSync(to) || readdirSync(to).length === 0);
}

test('1 000 levels deep: refused, with nothing taken out', async () => {
  let spec: Spec = { name: 'end', entries: [] };
  for (let level = 0; level < 1000; level += 1) spec = { name: 'd', entries: [spec] };
  await refused(ofBuilt('deep.fitc', build({ name: '', entries: [spec] })), /more than 64 levels/);
});

test('a folder that has the hash of one that it is in: refused, and nothing of it is taken out', async () => {
  const inner = (root: Uint8Array): Spec => ({ name: 'again', entries: [], lies: { root } });
  const first = build({ name: '', entries: [inner(new Uint8Array(32))] });
  const file = ofBuilt('cycle.fitc', build({ name: '', entries: [inner(first.hash)] }));
  await refused(file, /what is in it is not what it was packed with/);
});

test('a million tiny files and one more: refused in one sentence', { timeout: 120_000 }, async () => {
  const salt = new Uint8Array(32);
  const more = { salt, attributes: [], count: MAX_NODES, root: salt, leaves: 0, bytes: 0 };
  const top = encodeRecord({ kind: 'folder', name: '', ...more });
  function* records(): Generator<Uint8Array> {
    yield top;
    for (let at = 0; at < MAX_NODES; at += 1)
      yield encodeRecord({ kind: 'file', salt, name: `n${String(at).padStart(7, '0')}`, bytes: 0, root: salt });
  }
  await refused(written('many.fitc', hashOf(top), records()), /more than 1000000 entries/, ['inspect']);
});
