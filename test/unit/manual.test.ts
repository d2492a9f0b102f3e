/** The manual says what the programs take: every command, option, setting, file and exit status, and nothing that is gone. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Command } from 'commander';
import { createProgram } from '../../src/cli/program.ts';
import { flatten, HOOK_KEYS, writeInitialConfig } from '../../src/daemon/config.ts';
import { RULE_KEYS } from '../../src/daemon/policy/rules.ts';
import { FILE } from '../../src/evidence/bundle.ts';
import { EXIT, FIT_ERRORS } from '../../src/lib/errors.ts';
import { VERSION } from '../../src/lib/version.ts';
import { EVENT_KINDS } from '../../src/rpc/agent.ts';

const pages = readdirSync('man').sort();
const source = (page: string) => readFileSync(join('man', page), 'utf8');
/** Without fonts, and with hyphens for minus signs: what a reader sees, roughly. */
const read = (page: string) =>
  source(page)
    .replaceAll('\\-', '-')
    .replaceAll(/\\f[BIR]/g, '')
    .replaceAll(/\s+/g, ' ');
const section = (page: string, title: string) =>
  new RegExp(`\\.SH "?${title}"?\\n([\\s\\S]*?)(?=\\n\\.SH |$)`).exec(source(page))?.[1] ?? '';

const program = createProgram();
const PAGE_OF: Readonly<Record<string, string>> = { unlock: 'fit-daemon.1', lock: 'fit-daemon.1' };
const pageOf = (noun: string) => PAGE_OF[noun] ?? `fit-${noun}.1`;

function withDescendants(command: Command, path: readonly string[]): { path: readonly string[]; command: Command }[] {
  return [{ path, command }, ...command.commands.flatMap((one) => withDescendants(one, [...path, one.name()]))];
}

/** `--name` and `-n` as the OPTIONS section introduces them: in the line after .TP. */
function documented(page: string): Set<string> {
  const terms = section(page, 'OPTIONS')
    .split('\n')
    .filter((_, at, lines) => lines[at - 1] === '.TP');
  return new Set(terms.flatMap((term) => term.replaceAll('\\-', '-').match(/(?<=\\fB)-{1,2}[a-zA-Z][a-z-]*/g) ?? []));
}

function assertOptions(page: string, flags: readonly string[], also: readonly string[] = []): void {
  const said = documented(page);
  for (const flag of flags) assert.ok(said.has(flag), `${flag} is not in ${page}`);
  const known = new Set([...flags, ...also]);
  for (const flag of said) assert.ok(known.has(flag), `${page} has ${flag}, which is gone`);
}

const flagsOf = (command: Command) =>
  command.options.flatMap((option) => [option.short, option.long].filter((flag) => flag !== undefined));

test('every command has a page, and the page names it and its options', () => {
  const byPage = new Map<string, string[]>();
  for (const noun of program.commands) {
    const page = pageOf(noun.name());
    assert.ok(pages.includes(page), `${page} is missing`);
    const text = read(page);
    for (const { path, command } of withDescendants(noun, [noun.name()])) {
      if (command.commands.length === 0)
        assert.ok(text.includes(`fit ${path.join(' ')}`), `fit ${path.join(' ')}: ${page}`);
      byPage.set(page, [...(byPage.get(page) ?? []), ...flagsOf(command)]);
    }
  }
  for (const [page, flags] of byPage) assertOptions(page, flags);
});

test('the options of every command are in fit(1)', () => {
  assertOptions('fit.1', [...flagsOf(program), '-h', '--help']);
});

test('fit(1) lists the pages of all commands', () => {
  for (const page of pages.filter((name) => /^fit-.*\.1$/.test(name))) {
    assert.ok(read('fit.1').includes(`${page.slice(0, -2)}(1)`), page);
  }
});

test('fitd(8) has the options of fitd', () => {
  const flags = ['init', 'run'].flatMap((command) => {
    const { stdout } = spawnSync(process.execPath, ['bin/fitd', command, '--help'], { encoding: 'utf8' });
    return Array.from(stdout.matchAll(/^ {2}(?:(-[a-z]), )?(--[a-z-]+)/gm), ([, short, long]) => [short, long]).flat();
  });
  assert.ok(flags.includes('--ready-fd'));
  assertOptions('fitd.8', [...new Set(flags.filter((flag) => flag !== undefined))], ['--version']);
});

test('every setting is in fit.toml(5)', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fit-manual-'));
  try {
    const config = writeInitialConfig(join(folder, 'fit.toml'), { name: 'Elm', roles: [] });
    for (const key of Object.keys(flatten(config))) {
      const [group = '', name] = key.split('.');
      assert.match(source('fit.toml.5'), new RegExp(`^\\\\fB${name ?? group}\\\\fR`, 'm'), key);
      if (name !== undefined) assert.match(source('fit.toml.5'), new RegExp(`^\\.SS ${group}$`, 'm'), key);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('every key of a rule is in fit-policy(5)', () => {
  for (const key of RULE_KEYS) assert.match(source('fit-policy.5'), new RegExp(`^\\\\fB${key}\\\\fR$`, 'm'), key);
});

test('every kind of event is in fit-events(1)', () => {
  for (const kind of EVENT_KINDS)
    assert.ok(source('fit-events.1').includes(`\\fB${kind.replaceAll('-', '\\-')}\\fR`), kind);
});

test('every key of a hook is in fit.toml(5)', () => {
  for (const key of HOOK_KEYS) assert.match(source('fit.toml.5'), new RegExp(`^\\\\fB${key}\\\\fR`, 'm'), key);
});

test('every file of evidence is in fit-evidence(5)', () => {
  for (const name of Object.values(FILE)) assert.ok(read('fit-evidence.5').includes(name), name);
});

test('every problem that the verifier names is in fit-evidence(5)', () => {
  const files = [...readdirSync('src/evidence').map((name) => join('src/evidence', name)), 'src/cli/actions/verify.ts'];
  const codes = files.flatMap((file) =>
    Array.from(
      readFileSync(file, 'utf8').matchAll(/(?:refuse\(\s*|\bproblem\(|code: )'([a-z-]+)'/g),
      ([, code]) => code ?? '',
    ),
  );
  assert.ok(codes.includes('void') && codes.includes('other-content') && codes.includes('unreadable'));
  for (const code of codes)
    assert.ok(source('fit-evidence.5').includes(`\\fB${code.replaceAll('-', '\\-')}\\fR`), code);
});

test('exit statuses and error codes are in fit(1), and no page has another status', () => {
  const statuses = (page: string) =>
    Array.from(section(page, 'EXIT STATUS').matchAll(/^\.TP\n(\d+)$/gm), ([, code]) => Number(code));
  const all = new Set<number>(Object.values(EXIT));
  assert.deepEqual(new Set(statuses('fit.1')), all);
  for (const page of pages) for (const code of statuses(page)) assert.ok(all.has(code), `${page}: ${code}`);
  const text = section('fit.1', 'EXIT STATUS').replaceAll('\\-', '-');
  for (const [code, status] of Object.entries(FIT_ERRORS)) {
    const group = text.match(new RegExp(`\\\\fB${code}\\\\fR[^;.]*\\((\\d+)\\)`))?.[1];
    assert.equal(Number(group), status, code);
  }
});

const SECTIONS = [
  'SYNOPSIS',
  'DESCRIPTION',
  'OPTIONS',
  'EXIT STATUS',
  'ENVIRONMENT',
  'FILES',
  'BACKWARDS COMPATIBILITY',
  'EXAMPLES',
  'SEE ALSO',
];

test('every page of a program has the same sections in the same order', () => {
  for (const page of pages.filter((name) => /\.[18]$/.test(name))) {
    const found = Array.from(source(page).matchAll(/^\.SH "?([A-Z ]+?)"?$/gm), ([, title]) => title);
    assert.deepEqual(found, ['NAME', ...SECTIONS], page);
  }
});

test('pages refer to pages that exist', () => {
  for (const page of pages) {
    for (const [, name, number] of read(page).matchAll(/\b(fit[a-z.-]*|fitd)\(([1-8])\)/g)) {
      assert.ok(pages.includes(`${name}.${number}`), `${page} refers to ${name}(${number})`);
    }
  }
});

test('pages carry the version and are in the package', () => {
  for (const page of pages)
    assert.match(source(page), new RegExp(`^\\.TH .*fair-internet-trader ${VERSION.replaceAll('.', '\\.')}"`), page);
  const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as { man?: string[] };
  assert.deepEqual((manifest.man ?? []).toSorted(), pages.map((page) => `man/${page}`).toSorted());
});

function has(tool: string, ...args: readonly string[]): boolean {
  return spawnSync(tool, args).error === undefined;
}

const needsMan = { skip: has('man', '--version') ? false : 'man is not installed' };
const needsMandoc = { skip: has('mandoc', '-Tlint', '/dev/null') ? false : 'mandoc is not installed' };

test('man prints no warning', needsMan, () => {
  for (const page of pages) {
    const args = ['--warnings', '-E', 'UTF-8', '-l', '-Tutf8', '-Z', join('man', page)];
    const ran = spawnSync('man', args, {
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C.UTF-8', MANWIDTH: '80' },
    });
    assert.equal(ran.stderr, '', page);
    assert.equal(ran.status, 0, page);
  }
});

test('mandoc finds nothing to say', needsMandoc, () => {
  const ran = spawnSync('mandoc', ['-Tlint', ...pages.map((page) => join('man', page))], { encoding: 'utf8' });
  assert.equal(ran.stdout, '');
  assert.equal(ran.status, 0);
});
