import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createFakeInstallation, type FakeInstallation, PASSPHRASE, type Ran } from '../support/cli.ts';

const FAKE = fileURLToPath(new URL('../support/fake-fitd.program.js', import.meta.url));
const CONTRACT = '# Sale of a bicycle\n\nOne blue bicycle.\n';
let at: FakeInstallation;
let pw: readonly string[];
let contract: string;

before(() => {
  at = createFakeInstallation(FAKE);
  pw = ['--passphrase-file', at.passphraseFile];
  contract = at.file('contract.md', CONTRACT);
});
after(() => at.close());

/** The one line of JSON; nothing else may be on stdout. */
function json(ran: Ran): Record<string, unknown> {
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(ran.stdout, /^\{.*\}\n$/s);
  assert.equal(ran.stdout.split('\n').length, 2, 'one line');
  const value = JSON.parse(ran.stdout);
  assert.equal(value.schema, 1);
  return value;
}

/** Failed with `code`, said why on stderr, and left stdout empty. */
function fails(ran: Ran, code: number, message: RegExp): void {
  assert.equal(ran.code, code, ran.stderr);
  assert.equal(ran.stdout, '');
  assert.match(ran.stderr, message);
  const last = ran.stderr.trimEnd().split('\n').at(-1) ?? '';
  assert.match(last, /^fit: /);
}

describe('before there is a trader', () => {
  test('fit alone says what to do first', async () => {
    const ran = await at.fit([]);
    assert.equal(ran.code, 0);
    assert.match(ran.stdout, /fit init --name/);
    assert.deepEqual(json(await at.fit(['--json'])), { schema: 1, home: null, next: 'fit init' });
  });

  test('commands say that there is none', async () => {
    fails(await at.fit(['whoami']), 3, /no trader here/);
    fails(await at.fit(['daemon', 'start', ...pw]), 3, /no trader here/);
    fails(await at.fit(['daemon', 'status']), 3, /no trader here/);
  });

  test('init without a passphrase names what is missing', async () => {
    fails(await at.fit(['init', '--name', 'Elm']), 5, /--passphrase-fd, --passphrase-file or --passphrase-command/);
    fails(await at.fit(['init', ...pw, '--non-interactive']), 5, /--name/);
    fails(await at.fit(['init', '--name', 'Elm', '--patience', 'soon', ...pw]), 2, /is not a duration/);
    assert.equal(existsSync(at.home), false);
  });

  test('init makes one, once', async () => {
    const made = json(await at.fit(['init', '--name', 'Elm', '--role', 'arbiter', ...pw, '--json']));
    assert.deepEqual(made.roles, ['arbiter']);
    assert.equal(readFileSync(join(at.home, 'keys', 'passphrase'), 'utf8'), PASSPHRASE);
    fails(await at.fit(['init', '--name', 'Elm', ...pw]), 2, /already/);
  });
});

describe('daemon', () => {
  test('status of one that does not run', async () => {
    fails(await at.fit(['daemon', 'status', '--json']), 10, /not running/);
  });

  test('no autostart when told not to', async () => {
    fails(await at.fit(['whoami', '--no-autostart']), 10, /not running/);
  });

  test('a wrong passphrase does not start it', async () => {
    const wrong = at.file('wrong', 'wrong\n');
    fails(await at.fit(['daemon', 'start', '--passphrase-file', wrong]), 9, /wrong passphrase/);
    fails(await at.fit(['daemon', 'status']), 10, /not running/);
  });

  test('two starts at once end with one daemon', async () => {
    const [one, two] = await Promise.all([at.fit(['whoami', '--json']), at.fit(['whoami', '--json'])]);
    assert.equal(json(one).name, 'Trader Elm');
    assert.equal(json(two).name, 'Trader Elm');
  });

  test('autostart leaves it locked; start with the passphrase unlocks it and prints the same', async () => {
    assert.equal(json(await at.fit(['daemon', 'status', '--json'])).locked, true);
    const started = json(await at.fit(['daemon', 'start', ...pw, '--json']));
    assert.equal(started.locked, false);
    assert.ok(Array.isArray(started.addresses));
    assert.deepEqual(json(await at.fit(['daemon', 'start', ...pw, '--json'])), started);
    const wrong = at.file('wrong', 'wrong\n');
    fails(await at.fit(['daemon', 'start', '--passphrase-file', wrong]), 9, /wrong passphrase/);
  });

  test('stop returns when the process is gone; stopping twice is no failure', async () => {
    const { pid } = json(await at.fit(['daemon', 'status', '--json']));
    assert.equal(json(await at.fit(['daemon', 'stop', '--json'])).pid, pid);
    const state = existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, 'utf8') : 'Z';
    assert.match(state, /Z/);
    assert.deepEqual(json(await at.fit(['daemon', 'stop', '--json'])), { schema: 1, stopped: true, pid: null });
    assert.equal((await at.fit(['daemon', 'start', ...pw])).code, 0);
  });

  test('--home is FIT_HOME', async () => {
    fails(await at.fit(['whoami', '--home', join(at.folder, 'nowhere')]), 3, /no trader here/);
    assert.equal(
      json(await at.fit(['whoami', '--json', '--home', at.home], { environment: { FIT_HOME: '/nowhere' } })).name,
      'Trader Elm',
    );
    // A relative home is the same for the daemon, whose working folder is another.
    assert.equal(json(await at.fit(['whoami', '--json', '--home', 'home'])).name, 'Trader Elm');
  });
});

describe('sources of the passphrase', () => {
  const sources: [string, readonly string[], Parameters<FakeInstallation['fit']>[1]?][] = [
    ['standard input', ['--passphrase-file', '-'], { input: `${PASSPHRASE}\r\nmore` }],
    ['a command', ['--passphrase-command', `printf '${PASSPHRASE}'`]],
    ['descriptor 0', ['--passphrase-fd', '0'], { input: `${PASSPHRASE}\n` }],
  ];
  for (const [name, args, options] of sources) {
    test(name, async () => {
      assert.equal(json(await at.fit(['unlock', ...args, '--json'], options)).locked, false);
    });
  }

  test('variables', async () => {
    for (const environment of [
      { FIT_PASSPHRASE_FILE: at.passphraseFile },
      { FIT_PASSPHRASE_COMMAND: `cat ${at.passphraseFile}` },
      { FIT_PASSPHRASE_FD: '0' },
    ]) {
      assert.equal((await at.fit(['unlock'], { environment, input: PASSPHRASE })).code, 0);
    }
    mkdirSync(join(at.folder, 'credentials'));
    at.file('credentials/fit-passphrase', PASSPHRASE);
    const environment = { CREDENTIALS_DIRECTORY: join(at.folder, 'credentials') };
    assert.equal((await at.fit(['unlock'], { environment })).code, 0);
  });

  test('two sources, none, an empty one, a failing one', async () => {
    fails(await at.fit(['unlock', ...pw, '--passphrase-fd', '0']), 2, /only one of/);
    fails(await at.fit(['unlock']), 5, /no terminal.*\n.*--passphrase-file/);
    fails(await at.fit(['unlock'], { environment: { FIT_NON_INTERACTIVE: '1' } }), 5, /no questions/);
    fails(await at.fit(['unlock', '--passphrase-file', at.file('empty', '\n')]), 5, /empty/);
    fails(await at.fit(['unlock', '--passphrase-file', join(at.folder, 'none')]), 5, /cannot read/);
    fails(await at.fit(['unlock', '--passphrase-command', 'exit 3']), 5, /command failed/);
    fails(await at.fit(['unlock', '--passphrase-file', at.file('long', 'x'.repeat(2000))]), 2, /longer than/);
    fails(await at.fit(['unlock', '--passphrase-fd', 'x']), 2, /not a file descriptor/);
  });

  test('loose permissions are a warning', async () => {
    const loose = at.file('loose', PASSPHRASE);
    const ran = await at.fit(['unlock', '--passphrase-file', loose]);
    assert.equal(ran.code, 0);
    assert.match(ran.stderr, /fit: warning: .*chmod 600/);
  });
});

describe('contacts', () => {
  test('add, list, show, verify, remove', async () => {
    const card = at.file('oak.card', 'fit1oak\n');
    assert.equal(json(await at.fit(['contact', 'add', card, '--as', 'oak', '--json'])).contact, 'oak');
    assert.equal(
      json(await at.fit(['contact', 'add', '-', '--as', 'fir', '--json'], { input: 'fit1fir' })).contact,
      'fir',
    );
    const listed = json(await at.fit(['contact', 'list', '--json'])).contacts as unknown[];
    assert.equal(listed.length, 2);
    const { words, verified } = json(await at.fit(['contact', 'show', 'oak', '--json']));
    assert.equal(verified, false);
    fails(await at.fit(['contact', 'verify', 'oak', '--words', 'amber canoe']), 1, /words differ/);
    fails(await at.fit(['contact', 'verify', 'oak']), 5, /--words/);
    fails(await at.fit(['contact', 'verify', 'nobody', '--words', 'x']), 3, /no such contact/);
    assert.equal(json(await at.fit(['contact', 'verify', 'oak', '--words', String(words), '--json'])).verified, true);
    assert.equal(json(await at.fit(['contact', 'remove', 'fir', '--json'])).removed, 'fir');
  });

  test('bad cards', async () => {
    fails(await at.fit(['contact', 'add', at.file('bad', 'hello'), '--as', 'x']), 2, /not a contact card/);
    fails(
      await at.fit(['contact', 'add', at.file('binary', new Uint8Array([0xff])), '--as', 'x']),
      2,
      /not a contact card/,
    );
    fails(await at.fit(['contact', 'add', at.file('big', 'x'.repeat(200_000)), '--as', 'x']), 2, /larger/);
    fails(await at.fit(['contact', 'add', join(at.folder, 'none'), '--as', 'x']), 2, /no file/);
    fails(await at.fit(['contact', 'add', at.folder, '--as', 'x']), 2, /folder/);
    fails(await at.fit(['contact', 'add', contract]), 2, /--as/);
    fails(await at.fit(['contact', 'add', '--as', 'x']), 2, /either a card or --deal/);
    fails(await at.fit(['contact', 'add', contract, '--deal', 'k7q2', '--as', 'x']), 2, /either a card or --deal/);
    fails(await at.fit(['contact', 'add', '--deal', 'zzzz', '--as', 'x']), 3, /no such deal/);
  });

  test('what a peer wrote cannot steer the terminal', async () => {
    for (const args of [
      ['contact', 'show', 'oak'],
      ['contact', 'list'],
    ]) {
      const { stdout } = await at.fit(args);
      assert.match(stdout, /Oak/);
      assert.doesNotMatch(stdout, /[\u001b\u0080-\u009f\u202e\r]/);
    }
    const { stdout } = await at.fit(['contact', 'list', '--json']);
    assert.doesNotMatch(stdout, /[\u0080-\u009f]/);
    assert.equal(JSON.parse(stdout).contacts[0].name, 'Oak\u009b31m', 'the value in JSON is untouched');
  });
});

describe('deals', () => {
  let deal: string;

  test('propose completes, warns, and answers without the text in JSON', async () => {
    const ran = await at.fit(['deal', 'propose', contract, '--to', 'oak', '--arbiter', 'notary', ...pw, '--json']);
    const result = json(ran);
    deal = String(result.deal);
    assert.equal(result.state, 'offered');
    assert.match(String(result.document), /^[0-9a-f]{64}$/);
    assert.deepEqual(result.warnings, ['oak is not verified']);
  });

  test('--dry-run prints the text and leaves nothing', async () => {
    const before = json(await at.fit(['deal', 'list', '--json'])).deals as unknown[];
    const ran = await at.fit(['deal', 'propose', contract, '--to', 'oak', '--arbiter', 'notary', '--dry-run']);
    assert.equal(ran.code, 0);
    assert.equal(ran.stdout, CONTRACT);
    assert.deepEqual(json(await at.fit(['deal', 'list', '--json'])).deals, before);
  });

  const bad: [string, string | Uint8Array, RegExp][] = [
    ['CRLF', 'a\r\n', /line 1, column 2: .*carriage return/],
    ['an escape sequence', 'a\n\u001b[31m', /line 2, column 1: .*control/],
    ['a bidi control', 'a\u202eb', /direction/],
    ['zero width', 'a\u200bb', /line 1, column 2/],
    ['invalid UTF-8', new Uint8Array([0x61, 0xff]), /UTF-8/],
    ['10 MB', 'x'.repeat(10_000_000), /larger than 64 KiB/],
    ['not NFC', 'e\u0301', /NFC/],
  ];
  for (const [name, text, message] of bad) {
    test(`${name} is refused before a passphrase is asked for`, async () => {
      const file = at.file('bad.md', text);
      fails(await at.fit(['deal', 'propose', file, '--to', 'oak', '--arbiter', 'notary']), 2, message);
      const linted = await at.fit(['lint', file, '--json']);
      assert.equal(linted.code, 1);
      assert.equal(JSON.parse(linted.stdout).ok, false);
    });
  }

  test('a failure in JSON is a line on stderr, before the sentence', async () => {
    const ran = await at.fit(['deal', 'show', 'zzzz', '--json']);
    fails(ran, 3, /no such deal/);
    const [first = '', ...rest] = ran.stderr.split('\n');
    assert.equal(JSON.parse(first).error.code, 'not-found');
    assert.equal(rest[0], 'fit: no such deal');
    assert.equal(rest[1], 'fit: hint: fit deal list');
  });

  test('counter, show --text, diff', async () => {
    const other = at.file('other.md', CONTRACT.replace('blue', 'red'));
    json(await at.fit(['deal', 'counter', deal, other, ...pw, '--json']));
    assert.equal((await at.fit(['deal', 'show', deal, '--text'])).stdout, CONTRACT.replace('blue', 'red'));
    assert.equal((await at.fit(['deal', 'show', deal, '--text', '--number', '1'])).stdout, CONTRACT);
    const shown = await at.fit(['deal', 'diff', deal]);
    assert.match(shown.stdout, /^~ One \[-blue-\]\{\+red\+\} bicycle\.$/m);
    const { changes } = json(await at.fit(['deal', 'diff', deal, '--json'])) as { changes: { kind: string }[] };
    assert.deepEqual(
      changes.map((one) => one.kind),
      ['same', 'removed', 'added'],
    );
    fails(await at.fit(['deal', 'diff', deal, '--to', '1']), 3, /only one version/);
  });

  test('accept: needs the passphrase, takes only the text that was named', async () => {
    fails(await at.fit(['deal', 'accept', deal]), 5, /--passphrase-fd/);
    const wrong = at.file('wrong', 'wrong\n');
    fails(await at.fit(['deal', 'accept', deal, '--passphrase-file', wrong]), 9, /wrong passphrase/);
    fails(await at.fit(['deal', 'accept', deal, ...pw, '--document', 'ab'.repeat(32)]), 3, /changed/);
    fails(await at.fit(['deal', 'accept', deal, ...pw, '--timeout', '5']), 2, /--wait/);
    await at.fit(['lock']);
    fails(await at.fit(['deal', 'accept', deal, ...pw]), 8, /locked.*\n.*fit unlock/);
    await at.fit(['unlock', ...pw]);
  });

  test('wait: timeout 3, reached 0, another end 1, unknown ids are waited for', async () => {
    fails(await at.fit(['deal', 'wait', deal, '--timeout', '0.05']), 3, /in time/);
    fails(await at.fit(['deal', 'wait', 'not-yet-known', '--timeout', '50ms']), 2, /is not a duration/);
    fails(await at.fit(['deal', 'wait', 'not-yet-known', '--timeout', '0.05', '--json']), 3, /in time/);
    fails(await at.fit(['deal', 'wait', deal, '--for', 'signed']), 2, /no state is called signed/);
    assert.equal(json(await at.fit(['deal', 'wait', deal, '--for', 'offered,signing', '--json'])).state, 'offered');
    const waiting = at.fit(['deal', 'wait', deal, '--json']);
    const accepted = json(await at.fit(['deal', 'accept', deal, ...pw, '--wait', '--json']));
    assert.equal(accepted.state, 'contracted');
    assert.equal(json(await waiting).reached, true);
    const other = await at.fit(['deal', 'wait', deal, '--for', 'aborted', '--json']);
    assert.equal(other.code, 1);
    assert.equal(JSON.parse(other.stdout).state, 'contracted');
  });

  test('--wait of a proposal that is declined ends with 1', async () => {
    const waiting = at.fit(
      ['deal', 'propose', contract, '--to', 'oak', '--arbiter', 'notary', ...pw, '--wait', '--json'],
      {
        environment: {},
      },
    );
    let open: { deal: string }[] = [];
    while (open.length === 0) {
      open = json(await at.fit(['deal', 'list', '--state', 'offered', '--json'])).deals as { deal: string }[];
    }
    await at.fit(['deal', 'decline', open[0]?.deal ?? '', '--reason', 'no']);
    const ran = await waiting;
    assert.equal(ran.code, 1);
    assert.equal(JSON.parse(ran.stdout).state, 'declined');
  });

  test('ambiguous beginnings of ids', async () => {
    fails(await at.fit(['deal', 'show', 'k7q2']), 3, /several deals/);
  });

  test('listings are safe and show marks', async () => {
    for (const args of [
      ['deal', 'list'],
      ['deal', 'show', deal],
      ['deal', 'wait', deal],
    ]) {
      const { stdout } = await at.fit(args);
      assert.match(stdout, /Sale of a/);
      assert.doesNotMatch(stdout, /[\u001b\u0007\u202e\r]/);
    }
    assert.match((await at.fit(['deal', 'show', deal])).stdout, /unverified/);
  });

  test('export writes files once, and replaces them only when told', async () => {
    const file = join(at.folder, 'deal.asics');
    assert.equal(json(await at.fit(['deal', 'export', deal, '--out', file, '--json'])).file, file);
    fails(await at.fit(['deal', 'export', deal, '--out', file]), 2, /exists already/);
    assert.equal((await at.fit(['deal', 'export', deal, '--out', file, '--force'])).code, 0);
    assert.match((await at.fit(['deal', 'export', deal, '--out', '-'])).stdout, /bicycle/);
    const folder = join(at.folder, 'out');
    assert.equal((await at.fit(['deal', 'export', deal, '--dir', folder])).code, 0);
    assert.ok(existsSync(join(folder, 'attachments', 'photo 1.jpg')));
    fails(await at.fit(['deal', 'export', deal, '--dir', folder]), 2, /exists already/);
    fails(await at.fit(['deal', 'export', deal]), 2, /--out and --dir/);
  });
});

describe('the rest', () => {
  test('config', async () => {
    assert.equal((await at.fit(['config', 'get', 'exchange.patience'])).stdout, '2m\n');
    json(await at.fit(['config', 'set', 'exchange.patience', '5m', '--json']));
    assert.deepEqual(json(await at.fit(['config', 'list', '--json'])).config, { 'exchange.patience': '5m' });
    fails(await at.fit(['config', 'get', 'nothing']), 3, /no such setting/);
  });

  test('archive verify tells damage with 1', async () => {
    const ran = await at.fit(['archive', 'verify', '--json']);
    assert.equal(ran.code, 1);
    assert.equal(JSON.parse(ran.stdout).ok, false);
  });

  test('arbiter cases and terms', async () => {
    assert.deepEqual(json(await at.fit(['arbiter', 'cases', '--json'])), { schema: 1, cases: [] });
    assert.equal((await at.fit(['arbiter', 'terms'])).stdout, 'Terms\n');
  });

  test('doctor', async () => {
    assert.equal(json(await at.fit(['doctor', '--json'])).ok, true);
    fails(await at.fit(['doctor', 'more']), 2, /too many arguments/);
  });

  test('key export goes into a file for the owner alone; the passphrase changes', async () => {
    const file = join(at.folder, 'identity.pem');
    assert.equal((await at.fit(['key', 'export', ...pw, '--out', file])).code, 0);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const fresh = at.file('fresh', 'another one\n');
    assert.equal((await at.fit(['key', 'passphrase', ...pw, '--new-passphrase-file', fresh])).code, 0);
    fails(await at.fit(['unlock', ...pw]), 9, /wrong passphrase/);
    const back = ['--passphrase-file', fresh, '--new-passphrase-file', at.passphraseFile];
    assert.equal((await at.fit(['key', 'passphrase', ...back])).code, 0);
    fails(await at.fit(['key', 'passphrase', ...pw]), 5, /--new-passphrase-file/);
  });

  test('events are JSON Lines and end after --limit', async () => {
    const watching = at.fit(['events', '--json', '--limit', '1']);
    const proposing = async () => {
      await at.fit(['deal', 'propose', contract, '--to', 'oak', '--arbiter', 'notary', ...pw]);
    };
    let ended = false;
    void watching.then(() => {
      ended = true;
    });
    while (!ended) await proposing();
    const { stdout, code } = await watching;
    assert.equal(code, 0);
    assert.equal(stdout.split('\n').length, 2);
    assert.equal(JSON.parse(stdout).schema, 1);
    assert.equal(JSON.parse(stdout).kind, 'offer');
  });

  test('an interruption gives 130, whatever runs', async () => {
    for (const args of [['events'], ['deal', 'wait', 'unknown-id']]) {
      const ran = await at.fit(args, {
        started: (child) => {
          // It listens for the signal before it does anything else; a connection to the daemon shows that it runs.
          const watch = setInterval(() => child.kill('SIGINT'), 150);
          child.once('exit', () => clearInterval(watch));
        },
      });
      assert.ok(ran.code === 130 || ran.signal === 'SIGINT', `${ran.code} ${ran.signal}`);
    }
  });

  test('usage errors: 2, with a suggestion, also as JSON', async () => {
    fails(await at.fit(['deal', 'acept']), 2, /unknown command 'acept'\nfit: hint: did you mean accept/);
    fails(await at.fit(['dael']), 2, /unknown command 'dael'/);
    fails(await at.fit(['deal', 'list', '--jsn']), 2, /did you mean --json/);
    fails(await at.fit(['deal']), 2, /fit: /);
    const ran = await at.fit(['deal', 'show', '--json']);
    fails(ran, 2, /missing required argument/);
    assert.equal(JSON.parse(ran.stderr.split('\n')[0] ?? '').error.code, 'usage');
    fails(
      await at.fit(['deal', 'propose', '-', '--to', 'a', '--arbiter', 'b', '--passphrase-file', '-']),
      2,
      /standard input/,
    );
  });

  test('verify says no to anything unreadable, with 1 and JSON', async () => {
    for (const file of [contract, at.folder, join(at.folder, 'none'), at.file('zero', '')]) {
      const ran = await at.fit(['verify', file, '--json']);
      assert.equal(ran.code, 1, ran.stderr);
      assert.equal(JSON.parse(ran.stdout).ok, false);
    }
    fails(await at.fit(['verify', contract, '--require', 'ca']), 2, /--root/);
  });

  test('colour only where it is wanted', async () => {
    const file = join(at.folder, 'none');
    assert.doesNotMatch((await at.fit(['verify', file])).stdout, /\u001b/);
    assert.match((await at.fit(['verify', file, '--color', 'always'])).stdout, /\u001b\[31m/);
    assert.doesNotMatch(
      (await at.fit(['verify', file], { environment: { NO_COLOR: '1', CLICOLOR_FORCE: '1' } })).stdout,
      /\u001b/,
    );
    assert.match((await at.fit(['verify', file], { environment: { CLICOLOR_FORCE: '1' } })).stdout, /\u001b\[31m/);
  });

  test('completion names every noun in every shell', async () => {
    for (const shell of ['bash', 'zsh', 'fish']) {
      const { stdout, code } = await at.fit(['completion', shell]);
      assert.equal(code, 0);
      for (const word of ['deal', 'accept', 'passphrase-file', 'doctor'])
        assert.ok(stdout.includes(word), `${shell}: ${word}`);
    }
    fails(await at.fit(['completion', 'tcsh']), 2, /bash, zsh, fish/);
  });

  test('completion offers the choices of an option to its own command alone', async () => {
    const { stdout: bash } = await at.fit(['completion', 'bash']);
    assert.match(bash, /'send --receipt'\) COMPREPLY=\(\$\(compgen -W 'fair asked none'/);
    assert.match(bash, /\*' --color'\) COMPREPLY=\(\$\(compgen -W 'auto always never'/);
    const { stdout: zsh } = await at.fit(['completion', 'zsh']);
    assert.match(zsh, /'deal deliver --receipt'\) compadd fair asked none; return/);
    // Elsewhere it is a folder.
    for (const script of [bash, zsh]) assert.doesNotMatch(script, /unpack --receipt|^ +--receipt\)/m);
  });
});
