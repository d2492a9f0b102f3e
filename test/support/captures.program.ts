/**
 * `npm run captures`: writes docs/terminal.md from real daemons in temporary homes and `fit ui` in real terminals.
 * Guarantees: each capture is what the terminal showed, without spaces at the ends of lines and with `~` for the folder of
 * this run; a screen that did not come fails the run and leaves the page as it was.
 */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Capture, LARGE, pageOf, SHOTS, type Size, SMALL, sizesOf, TOO_SMALL } from './captures.ts';
import { openScreen, type Screen } from './tmux.ts';
import { endAll, fit, introduce, PASSPHRASE, Trader, temporary } from './traders.ts';

const FIT = resolve('bin/fit');
const PAGE = 'docs/terminal.md';

const folder = temporary();
const [elm, oak, fir, notary] = ['elm', 'oak', 'fir', 'notary'].map((name) => new Trader(folder, name)) as [
  Trader,
  Trader,
  Trader,
  Trader,
];

interface Item {
  readonly what: string;
  readonly amount?: string;
}

/** A text with the terms of a sale: the first party is the one that proposes. */
function sale(title: string, [first, second]: readonly [string, string], items: readonly [Item, Item], body: string) {
  const item = (from: string, to: string, { what, amount }: Item) =>
    `\n[[item]]\nfrom = "${from}"\nto = "${to}"\nkind = "obligation"\ndescription = "${what}"\n${
      amount === undefined ? '' : `amount = "${amount}"\n`
    }`;
  return `+++\ntitle = "${title}"\n\n[[party]]\nrole = "${first}"\n\n[[party]]\nrole = "${second}"\n${item(first, second, items[0])}${item(second, first, items[1])}+++\n# ${title}\n\n${body}`;
}

const BICYCLE = (price: string, day: string): string =>
  sale(
    'Sale of a bicycle',
    ['seller', 'buyer'],
    [{ what: 'one blue bicycle' }, { what: 'price', amount: `EUR ${price}` }],
    `One blue bicycle, frame number WBK 4711, for EUR ${price}.

1. The seller hands the bicycle over on ${day} in Vienna, at the
   buyer's address, between nine and noon.
2. The buyer pays on that day, in cash or by transfer.
3. The bicycle has lights front and rear, a bell and a lock with two keys.
4. The seller has ridden it for four years and knows of no hidden fault.
   The rear tyre is worn; the buyer has seen it.
5. Until it is handed over, whatever happens to it is the seller's loss.
6. If the seller does not hand it over within a week of that day, the
   buyer owes nothing.
7. If the buyer does not pay within a week of that day, the seller may sell it to whomever they like and owes nothing.
8. Nothing else is agreed.
`,
  );
const COFFEE = (price: string, body: string): string =>
  sale(
    'Coffee, 60 kg',
    ['seller', 'buyer'],
    [{ what: '60 kg of green coffee' }, { what: 'price', amount: `EUR ${price}` }],
    body,
  );
const PHOTO = sale(
  'Photo rights, “Old bridge”',
  ['photographer', 'publisher'],
  [{ what: 'use of one photograph for a year' }, { what: 'fee', amount: 'EUR 80.00' }],
  'The publisher may print the photograph “Old bridge” for one year.\n',
);
const LADDER = '# Loan of a ladder\n\nA ladder of seven metres, until the first of May.\n';
const DOMAIN = '# Domain example.org\n\nThe name example.org, handed over within a week for EUR 500.00.\n';
const ORDER = '# Order: 500 envelopes\n\n500 envelopes, C5, by Friday, for EUR 35.00.\n';
const RENT = '# Rent of a van\n\nA van for the 28th of November, EUR 90.00, petrol not included.\n';
const POLICY = `fit = "policy/1"

[[rule]]
name = "small-orders-of-fir"
outcome = "approve"
kind = "offer"
contact = ["fir"]
items = [
  { from = "them", kind = "obligation", description = "green coffee" },
  { from = "you", kind = "obligation", description = "price", amount_max = "EUR 50.00" },
]
amount_max = "EUR 50.00"
`;

const base64 = (text: string): string => Buffer.from(text).toString('base64');

async function propose(from: Trader, to: Trader, text: string): Promise<string> {
  const deal = await from.offer(to, text);
  await to.waitFor(deal, ['offered']);
  return deal;
}

async function isThere(trader: Trader, deal: string, version: number): Promise<void> {
  let counters = 0;
  await trader.event((event) => {
    if (event.deal === deal && event.kind === 'counter-offer') counters += 1;
    return counters === version - 1;
  });
  assert.equal((await (await trader.agent()).dealShow({ deal })).version, version);
}

/** Traders in the middle of a day; the deals that the captures are about. */
async function prepare() {
  for (const [trader, name, ...more] of [
    [elm, 'Trader Elm'],
    [oak, 'Trader Oak'],
    [fir, 'Matsu Trading 松商店'],
    [notary, 'Notary Elder', '--role', 'arbiter'],
  ] as const)
    await trader.ok('init', '--name', name, '--listen', '127.0.0.1:0', '--patience', '1h', ...more, ...trader.pw);
  for (const trader of [elm, oak, fir, notary]) await trader.start();
  await introduce([elm, oak, fir, notary]);
  const agent = await elm.consenting();
  for (const contact of ['oak', 'notary']) {
    const { words } = await agent.contactShow({ contact });
    await agent.contactVerify({ contact, words });
  }
  const firs = await fir.consenting();
  const oaks = await oak.consenting();

  // Away in the middle: one exchange that the arbiter ended, later one that waits.
  const domain = await propose(fir, elm, DOMAIN);
  const ladder = await propose(fir, elm, LADDER);
  const photo = await propose(oak, elm, PHOTO);
  await agent.dealAccept({ deal: photo });
  await Promise.all([elm.waitFor(photo, ['contracted']), oak.waitFor(photo, ['contracted'])]);
  const rent = await propose(oak, elm, RENT);
  await agent.dealDecline({ deal: rent, reason: 'the van is needed here that day' });
  await oak.waitFor(rent, ['declined']);
  const envelopes = await propose(elm, oak, ORDER);
  const rivals = [
    await propose(
      oak,
      elm,
      COFFEE('540.00', 'Arabica from Huila, this year’s harvest.\n\nDelivered within ten days.\n'),
    ),
    await propose(
      fir,
      elm,
      COFFEE('498.00', 'Arabica from Sidamo 珈琲, last year’s harvest.\n\nCollected by the buyer.\n'),
    ),
  ];
  const bicycle = await propose(oak, elm, BICYCLE('120.00', '1 December 2026'));
  await oaks.dealMessage({ deal: bicycle, text: 'I can bring it on Tuesday, if that helps.' });
  await agent.dealCounter({ deal: bicycle, document: base64(BICYCLE('100.00', '1 December 2026')) });
  await isThere(oak, bicycle, 2);
  await agent.dealMessage({ deal: bicycle, text: 'The rear tyre will have to be replaced, hence the price.' });
  await oaks.dealCounter({ deal: bicycle, document: base64(BICYCLE('110.00', '2 December 2026')) });
  await isThere(elm, bicycle, 3);

  const catalogue = join(folder, 'catalogue.pdf');
  writeFileSync(catalogue, Buffer.alloc(3_000_000, 'catalogue '));
  const { deal: delivery } = await oaks.dealDeliver({ files: [catalogue], deal: photo });
  await elm.waitFor(delivery, ['offered']);

  firs.close();
  await fir.kill();
  await agent.dealAccept({ deal: domain });
  await agent.dealAbort({ deal: domain });
  await elm.waitFor(domain, ['aborted']);
  await agent.dealAccept({ deal: ladder });
  await elm.waitFor(ladder, ['signing']);

  writeFileSync(elm.paths.policy, POLICY, { mode: 0o600 });
  await elm.ok('policy', 'confirm', ...elm.pw);
  // A program: it knows the command, and not the passphrase.
  writeFileSync(
    join(folder, 'reorder.md'),
    sale(
      'Reorder: printer paper',
      ['buyer', 'seller'],
      [{ what: 'price', amount: 'EUR 62.40' }, { what: '20 reams of paper' }],
      'Twenty reams, A4, by the end of the week.\n',
    ),
  );
  const asked = await elm.fit('deal', 'propose', 'reorder.md', '--to', 'oak', '--arbiter', 'notary');
  assert.equal(asked.code, 5, asked.stderr);
  return { delivery, bicycle, photo, ladder, envelopes, rivals };
}

type World = Awaited<ReturnType<typeof prepare>>;

const taken = new Map<string, string>();
const screens: Screen[] = [];

function open(home: string, args: string, size: Size): Screen {
  const screen = openScreen(
    `cd ${folder} && exec 2>&1; ${process.execPath} ${FIT} ${args}`,
    { FIT_HOME: home, NO_COLOR: '1', EDITOR: 'vi' },
    size,
  );
  screens.push(screen);
  return screen;
}

/** All of one size. */
async function walk(world: World, size: Size): Promise<void> {
  let screen: Screen;
  const shoot = async (id: string): Promise<void> => {
    const shot = SHOTS.find((one) => one.id === id) ?? assert.fail(`no shot ${id}`);
    const text = await screen.until(shot.sign);
    const lines = text.replaceAll(folder, '~').split('\n');
    taken.set(
      `${id} ${size.columns}`,
      lines
        .map((line) => line.trimEnd())
        .join('\n')
        .trimEnd(),
    );
  };
  const press = async (key: string, shows: RegExp): Promise<void> => {
    screen.keys(key);
    await screen.until(shows);
  };
  const answer = async (text: string, shows: RegExp): Promise<void> => {
    screen.type(text);
    await press('Enter', shows);
  };
  const TOP = /▸ [\s\S]*q quit/;
  const select = async (deal: string): Promise<void> => {
    await press('g', /DEAL {2}[^\n]*\n▸ [\s\S]*q quit/);
    const wanted = new RegExp(`▸ ${deal.slice(0, 4)}`);
    for (let row = 0; !wanted.test(screen.text()); row += 1) {
      assert.ok(row < 20, `${deal} is not on the screen`);
      const [before = ''] = /▸ .*/.exec(screen.text()) ?? [];
      screen.keys('Down');
      await screen.until(new RegExp(`▸ (?!${before.slice(2, 6)})`));
    }
  };

  // The first run, in a home of its own.
  const home = join(folder, size === SMALL ? 'juniper' : 'rowan');
  screen = open(home, '', size);
  await screen.until(/your name, as it stands in contracts/);
  await answer('Trader Juniper', /new passphrase/);
  await answer('bicycle1', /the same again/);
  await answer('bicycle1', /take it all the same/);
  await shoot('first-name');
  await press('Enter', /new passphrase/);
  await answer(PASSPHRASE, /the same again/);
  await answer(PASSPHRASE, /other side’s card/);
  await answer('oak.card', /your name for them/);
  await answer('oak', /the same on both sides\?/);
  await shoot('first-contact');
  await press('Enter', /other side’s card/);
  await press('Enter', /no deals yet/);
  await press('q', /ended with 0/);
  assert.equal((await fit(['daemon', 'stop'], { env: { FIT_HOME: home } })).code, 0);

  screen = open(elm.home, 'ui', size);
  await shoot('request');
  await press('Escape', /▸ [\s\S]*── Deals ─/);
  await select(world.bicycle);
  await shoot('deals');
  await press('?', /this help/);
  await shoot('help');
  await press('Escape', TOP);

  await press('Enter', /a accept/);
  await shoot('deal');
  // To the end; then only the history is left of it where all does not fit.
  for (let page = 0; page < 4; page += 1) screen.keys('Space');
  await shoot('history');
  await press('f', /the terms/);
  await shoot('diff');
  await press('Escape', /a accept/);
  await press('t', /page 1 of/);
  await shoot('text');
  await press('Escape', /a accept/);
  await press('d', /reason/);
  await shoot('decline');
  await press('Escape', /a accept/);
  await press('a', /not wholly seen/);
  await shoot('read-first');
  const pages = Number(/page 1 of ([0-9]+)/.exec(screen.text())?.[1]);
  for (let page = 2; page <= pages; page += 1) await press('Space', new RegExp(`page ${page} of`));
  await press('Right', /from column/);
  for (let page = pages - 1; page >= 1; page -= 1) await press('b', new RegExp(`page ${page} of`));
  await screen.until(/s sign/);
  await press('Left', /page 1 of [0-9]+(?![^\n]*from column)/);
  for (let page = 2; page <= pages; page += 1) await press('Space', new RegExp(`page ${page} of`));
  await shoot('read-last');
  await press('s', /passphrase ▏/);
  await shoot('sign');
  await answer('not this one', /nothing was signed/);
  await shoot('refused');
  await press('Escape', /a accept/);
  await press('Escape', TOP);

  await select(world.envelopes);
  await press('Enter', /w withdraw/);
  await press('w', /Withdraw/);
  await shoot('withdraw');
  await press('Escape', /w withdraw/);
  await press('Escape', TOP);
  await select(world.photo);
  await press('Enter', /x export/);
  await shoot('contracted');
  await press('x', /Export/);
  await shoot('export');
  await press('Escape', /x export/);
  await press('Escape', TOP);
  await select(world.ladder);
  await press('Enter', /b abort/);
  await shoot('signing');
  await press('Escape', TOP);

  for (const deal of world.rivals) {
    await select(deal);
    await press('Space', new RegExp(`▸ ${deal.slice(0, 4)}\\*`));
  }
  await press('=', /Side by side/);
  await shoot('compare');
  await press('Escape', TOP);
  await press('n', /to ▏/);
  await shoot('new');
  await answer('oak', /arbiter notary▏/);
  await press('Enter', /file ▏/);
  await shoot('new-file');
  await press('Escape', TOP);
  await select(world.delivery);
  await press('Enter', /a accept/);
  await shoot('delivery');
  await press('Escape', TOP);

  await press('2', /── Contacts/);
  await press('c', /your card ─/);
  await shoot('card');
  await press('Escape', TOP);
  while (!/▸ fir/.test(screen.text())) {
    const [before = ''] = /▸ \w+/.exec(screen.text()) ?? [];
    screen.keys('Down');
    await screen.until(new RegExp(`▸ (?!${before.slice(2)}\\b)`));
  }
  await shoot('contacts');
  await press('Enter', /compare these words/);
  await shoot('contact');
  await press('v', /all 16 are the same/);
  await shoot('verify');
  await press('Escape', /── contact fir[\s\S]*X remove/);
  await press('Escape', TOP);
  await press('3', /── Requests/);
  await shoot('requests');
  await press('4', /── Activity/);
  await shoot('activity');
  await press('6', /── Settings/);
  await shoot('settings');
  if (size === SMALL) {
    screen.resize(TOO_SMALL.columns, TOO_SMALL.rows);
    await shoot('too-small');
    taken.set(`too-small ${TOO_SMALL.columns}`, taken.get(`too-small ${size.columns}`) ?? '');
    screen.resize(size.columns, size.rows);
    await screen.until(TOP);
  }
  await press('q', /ended with 0/);

  screen = open(notary.home, 'ui', size);
  await screen.until(/q quit/);
  await press('5', /── Cases/);
  await shoot('cases');
  const notarys = await notary.agent();
  await notarys.lock();
  await shoot('unlock');
  await answer(PASSPHRASE, /● online[\s\S]*q quit/);
  await press('q', /ended with 0/);

  screen = open(elm.home, 'ui --plain', size);
  await screen.until(/TITLE[\s\S]*fit> *\n*$/);
  screen.keys('C-l');
  await screen.until(/^fit> *\n/);
  for (const command of ['deals', 'requests', 'policy show']) {
    screen.type(command);
    screen.keys('Enter');
    await screen.until(new RegExp(`fit> ${command}\n[\\s\\S]+\nfit> *\\n*$`));
  }
  await shoot('plain');
  await answer('quit', /ended with 0/);
}

try {
  const world = await prepare();
  for (const trader of [oak, notary])
    writeFileSync(join(folder, `${trader.name}.card`), (await (await trader.agent()).card()).card);
  for (const size of [SMALL, LARGE]) await walk(world, size);
  const captures: Capture[] = SHOTS.map((shot) => ({
    shot,
    texts: sizesOf(shot).map(
      (size) => taken.get(`${shot.id} ${size.columns}`) ?? assert.fail(`${shot.id} was not taken`),
    ),
  }));
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { readonly version: string };
  mkdirSync('docs', { recursive: true });
  writeFileSync(PAGE, pageOf(captures, { version, at: new Date() }));
  process.stdout.write(`wrote ${captures.length} screens to ${PAGE}\n`);
} finally {
  for (const screen of screens) screen.close();
  for (const trader of [elm, oak, fir, notary]) trader.disconnect();
  endAll();
}
process.exit(0);
