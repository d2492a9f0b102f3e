/**
 * What docs/terminal.md shows: every screen and every question of `fit ui`, with what they are for and how each is told from
 * the others. captures.program.ts takes the captures from real traders; terminal-page.test.ts holds the page against this
 * and against the sources.
 */
export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export const SMALL: Size = { columns: 80, rows: 24 };
export const LARGE: Size = { columns: 120, rows: 40 };
/** One row and one column less than the least. */
export const TOO_SMALL: Size = { columns: 59, rows: 15 };

export interface Shot {
  readonly id: string;
  readonly title: string;
  /** What the screen is for and which keys matter; Markdown. */
  readonly about: string;
  /** What of the sources draws it: names that screens/ and modals/ export, `app` for the frame's own, `line` for none. */
  readonly drawnBy: readonly string[];
  /** On the screen once it is drawn whole. */
  readonly sign: RegExp;
  /** Its only size; without: both. */
  readonly only?: Size;
}

export const SHOTS: readonly Shot[] = [
  {
    id: 'first-name',
    title: 'First run: name and passphrase',
    about:
      '`fit` alone, where there is no trader yet, asks three things. A passphrase that is easy to guess is told so and asked about; it is never shown.',
    drawnBy: ['line'],
    sign: /the passphrase is .*\n[\s\S]*take it all the same\?/,
  },
  {
    id: 'first-contact',
    title: 'First run: your card and the first contact',
    about:
      'Then it shows the card to give away, and takes those of others. The sixteen words are compared by telephone; `yes` marks the contact as verified, ↵ leaves that for later.',
    drawnBy: ['line'],
    sign: /compare these words[\s\S]*the same on both sides\?/,
  },
  {
    id: 'deals',
    title: 'Deals',
    about:
      'The first screen of `fit ui`: all deals, what waits for you first, whom each waits for and until when; below, the text of the selected one. ↵ opens, `n` proposes, `/` filters, space marks and `=` compares; tab goes to the next of six such screens, `q` leaves.',
    drawnBy: ['dealsScreen'],
    sign: /▸ [a-z0-9]{4} +Sale of a bicycle[\s\S]*One blue bicycle[\s\S]*── Deals ─/,
  },
  {
    id: 'request',
    title: 'A program asks for your signature',
    about:
      'A request of a program that no rule decides comes as a question over whatever is on the screen, one at a time. Keys typed before it was drawn are dropped. `r` reads the text and goes on to the signature, `x` refuses, esc leaves it on the screen of requests.',
    drawnBy: ['askAboutRequest'],
    sign: /A program asks for your signature[\s\S]*asked by[\s\S]*esc later/,
  },
  {
    id: 'deal',
    title: 'A deal',
    about:
      'How one deal stands and what happens if somebody stops now. The keys are those that the state allows: `t` reads the exact text, `a` accepts, `c` counters, `d` declines, `m` writes a message, `f` shows what changed.',
    drawnBy: ['dealScreen'],
    sign: /state +offered[\s\S]*── [a-z0-9]{4} Sale of a bicycle ─/,
  },
  {
    id: 'history',
    title: 'A deal: its history and messages',
    about:
      'Further down on the same screen (space, ↓): the transactions of the deal as a tree, each under the one that it answers, with the messages in their places.',
    drawnBy: ['dealScreen'],
    sign: /history\n[\s\S]*offer by them[\s\S]*“[\s\S]*── [a-z0-9]{4} Sale of a bicycle ─/,
  },
  {
    id: 'diff',
    title: 'What changed',
    about:
      '`f` on a deal with more than one version: what went stands in `[-…-]`, what came in `{+…+}`; first the text for people, then the terms for machines.',
    drawnBy: ['diffScreen'],
    sign: /the text, version [0-9]+ → version[\s\S]*\{\+[\s\S]*── [a-z0-9]{4} what changed ─/,
  },
  {
    id: 'contracted',
    title: 'A contracted deal',
    about:
      'Signed by both. `x` writes the evidence to a folder, where `fit verify` and OpenSSL need nothing of this program’s state.',
    drawnBy: ['dealScreen'],
    sign: /state +contracted[\s\S]*x export/,
  },
  {
    id: 'export',
    title: 'Export the evidence',
    about:
      'Most questions look like this: a title, a line to type in, esc for no. Files that are there already are replaced only after one more question.',
    drawnBy: ['ask'],
    sign: /Export the evidence[\s\S]*folder [^\n]*▏[\s\S]*go on/,
  },
  {
    id: 'signing',
    title: 'A deal between the signatures',
    about:
      'The other side is away in the middle of the exchange. It goes on by itself when they come back; `b` asks the arbiter to end it, `r` to complete it.',
    drawnBy: ['dealScreen'],
    sign: /state +signing[\s\S]*b abort/,
  },
  {
    id: 'text',
    title: 'The text, only to be read',
    about:
      '`t` on a deal: the exact bytes, numbered, nothing wrapped. Where there is room the terms for machines stand beside the text; on a narrow screen `t` shows them.',
    drawnBy: ['readerScreen'],
    sign: /page 1 of [0-9][^\n]*\n[\s\S]*── version [0-9]+ ─/,
  },
  {
    id: 'read-first',
    title: 'Reading before signing: the first page',
    about:
      '`a` on a deal opens its text. The first line counts the lines that were not wholly on the screen yet; there is no key that signs. Space turns the page, → goes on with long lines.',
    drawnBy: ['readToSign'],
    sign: /page 1 of [0-9][^\n]*not wholly seen[\s\S]*next page/,
  },
  {
    id: 'read-last',
    title: 'Reading before signing: the last page',
    about: 'Once every column of every line was on the screen, and only then, the key `s` is there.',
    drawnBy: ['readToSign'],
    sign: /page ([0-9]+) of \1\b[\s\S]*s sign/,
  },
  {
    id: 'sign',
    title: 'Sign?',
    about:
      'The question before every signature: what you owe and get, with whom, through whom, who asks, what if they stop half-way. The passphrase is not shown; a terminal that has proven it a moment ago asks for the word `sign`.',
    drawnBy: ['askToSign'],
    sign: /Sign\? Sale of a bicycle[\s\S]*asked by +you[\s\S]*passphrase ▏[\s\S]*esc no/,
  },
  {
    id: 'refused',
    title: 'Sign? A wrong passphrase',
    about: 'It says what is safe, and asks again; after several it asks for patience.',
    drawnBy: ['askToSign'],
    sign: /nothing was signed[\s\S]*passphrase ▏[\s\S]*esc no/,
  },
  {
    id: 'decline',
    title: 'Decline',
    about: '`d` on an offer of theirs ends the deal, with a reason if you like.',
    drawnBy: ['ask'],
    sign: /Decline this offer[\s\S]*reason ▏[\s\S]*go on/,
  },
  {
    id: 'withdraw',
    title: 'Withdraw',
    about: '`w` on an offer of yours. What cannot be undone asks for `y`.',
    drawnBy: ['confirm'],
    sign: /Withdraw your offer\?[\s\S]*y withdraw/,
  },
  {
    id: 'compare',
    title: 'Side by side',
    about: 'Up to four deals marked with space, here two offers for the same want: `=` on the screen of deals.',
    drawnBy: ['compareScreen'],
    sign: /deal +[a-z0-9]{4} +[a-z0-9]{4}[\s\S]*items[\s\S]*── Side by side ─/,
  },
  {
    id: 'new',
    title: 'A new proposal',
    about:
      '`n` on the screen of deals asks for the other side, the arbiter and a file; without a file your editor opens. Then come the reading and the question before the signature, as for every text.',
    drawnBy: ['ask'],
    sign: /New proposal[\s\S]*to ▏[\s\S]*go on/,
  },
  {
    id: 'new-file',
    title: 'A new proposal: the text',
    about: 'The last of the three.',
    drawnBy: ['ask'],
    sign: /New proposal to oak[\s\S]*file ▏[\s\S]*go on/,
  },
  {
    id: 'delivery',
    title: 'A delivery',
    about:
      'Files for a signed receipt, under the contract that they fulfil. `a` reads the note, signs and fetches them; `o` puts them into a folder once all of them are here and compared. `v` on a contract delivers files of yours.',
    drawnBy: ['dealScreen'],
    sign: /brings +1 file, 2\.9 MiB[\s\S]*a accept/,
  },
  {
    id: 'contacts',
    title: 'Contacts',
    about: 'Whose cards you have: `n` adds one, `c` shows yours, ↵ opens one.',
    drawnBy: ['contactsScreen'],
    sign: /CONTACT +NAME[\s\S]*▸ [\s\S]*── Contacts ─/,
  },
  {
    id: 'contact',
    title: 'A contact and the words to verify',
    about:
      'Both sides see the same sixteen words if the card is theirs. `v` marks the contact as verified, `X` removes it.',
    drawnBy: ['contactScreen'],
    sign: /compare these words[\s\S]*── contact fir ─/,
  },
  {
    id: 'verify',
    title: 'Verify by words',
    about: 'The question after `v`; with the passphrase, rules may rely on the answer.',
    drawnBy: ['confirm'],
    sign: /Verify fir[\s\S]*y all 16 are the same/,
  },
  {
    id: 'card',
    title: 'Your card',
    about: '`c` on the screen of contacts: what the other side and the arbiter need of you.',
    drawnBy: ['your card'],
    sign: /give this to the other side[\s\S]*fit1[\s\S]*── your card ─/,
  },
  {
    id: 'requests',
    title: 'Requests',
    about: 'What programs asked for and nobody has decided: ↵ reads and goes on to the signature, `x` refuses.',
    drawnBy: ['requestsScreen'],
    sign: /▸ [a-z0-9]{5} offer[\s\S]*── Requests ─/,
  },
  {
    id: 'activity',
    title: 'Activity',
    about: 'What happened, the newest first; ↵ opens the deal that it is about.',
    drawnBy: ['activityScreen'],
    sign: /▸ [\s\S]*── Activity ─/,
  },
  {
    id: 'cases',
    title: 'Cases',
    about: 'For arbiters, in the terminal of one: who asked for a decision, and what it was.',
    drawnBy: ['casesScreen'],
    sign: /▸ [\s\S]*── Cases ─/,
  },
  {
    id: 'settings',
    title: 'Settings',
    about:
      'fit.toml: ↵ changes a value, `l` locks the keys. Rules that may sign in your place are in policy.toml: `fit policy`.',
    drawnBy: ['settingsScreen'],
    sign: /▸ [a-z._]+ [\s\S]*── Settings ─/,
  },
  {
    id: 'help',
    title: 'Help',
    about: '`?` on every screen: its keys, and those that always work.',
    drawnBy: ['app'],
    sign: /Deals: All your deals[\s\S]*shift-tab/,
  },
  {
    id: 'unlock',
    title: 'Unlock',
    about:
      'A locked daemon is asked for at the start, and with `u`. Esc goes on without, for reading what is not secret.',
    drawnBy: ['ask'],
    sign: /Unlock the keys[\s\S]*passphrase ▏[\s\S]*go on/,
  },
  {
    id: 'plain',
    title: 'Line by line',
    about:
      '`fit ui --plain`, for screen readers and terminals that cannot draw: each line is a command of `fit` without the `fit`, or a short word for one.',
    drawnBy: ['line'],
    sign: /fit> policy show\n[\s\S]*fit> *\n*$/,
  },
  {
    id: 'too-small',
    title: 'A terminal that is too small',
    about: 'Below 60 by 16 there is only this; made larger, the screen is where it was.',
    drawnBy: ['app'],
    sign: /too small/,
    only: TOO_SMALL,
  },
];

export interface Capture {
  readonly shot: Shot;
  /** One for each size of it. */
  readonly texts: readonly string[];
}

export const sizesOf = (shot: Shot): readonly Size[] => (shot.only === undefined ? [SMALL, LARGE] : [shot.only]);

const block = (text: string): string => `\`\`\`text\n${text}\n\`\`\``;

/** The page, from captures in the order of `SHOTS`. */
export function pageOf(captures: readonly Capture[], made: { readonly version: string; readonly at: Date }): string {
  const day = made.at.toISOString().slice(0, 10);
  const parts = captures.flatMap(({ shot, texts: [first = '', second] }) => [
    `## ${shot.title}`,
    shot.about,
    block(first),
    ...(second === undefined
      ? []
      : [`<details><summary>${LARGE.columns} × ${LARGE.rows}</summary>`, block(second), '</details>']),
  ]);
  return `${[
    '# The terminal, screen by screen',
    `Every screen of \`fit ui\`, at ${SMALL.columns} × ${SMALL.rows} and, folded, at ${LARGE.columns} × ${LARGE.rows}. \`npm run captures\` wrote this page on ${day} with version ${made.version}: real daemons on one machine, Elm and Oak who trade, Matsu who is away, an arbiter, and a program that asks for a signature. Names, identifiers, times and process numbers are what they were then; the folder of that run is written \`~\`. Colours and inverse rows are not shown: what they say, marks and words say too. [fit-ui(1)](../man/fit-ui.1) is the reference.`,
    ...parts,
  ].join('\n\n')}\n`;
}

/** What stands in the blocks under each heading. */
export function blocksOf(page: string): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, readonly string[]>();
  for (const part of page.split(/^## /m).slice(1)) {
    const title = part.slice(0, part.indexOf('\n'));
    found.set(
      title,
      Array.from(part.matchAll(/^```text\n([\s\S]*?)\n```$/gm), ([, text = '']) => text),
    );
  }
  return found;
}
