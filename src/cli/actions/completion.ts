/** fit completion: scripts for three shells, made from the commands themselves. */
import type { Command, Option } from 'commander';
import type { Context } from '../context.ts';

interface Entry {
  /** `deal accept`; empty for `fit` itself. */
  readonly path: string;
  readonly commands: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly Option[];
  /** What an argument may be, where that is a list. */
  readonly values: readonly string[];
}

function entriesOf(command: Command, path: readonly string[]): readonly Entry[] {
  const commands = command.commands.map((one) => ({ name: one.name(), description: one.description() }));
  const values = command.registeredArguments.flatMap((argument) => argument.argChoices ?? []);
  const own: Entry = { path: path.join(' '), commands, options: command.options, values };
  return [own, ...command.commands.flatMap((one) => entriesOf(one, [...path, one.name()]))];
}

function flags(options: readonly Option[]): string[] {
  return options.flatMap((option) => [option.short, option.long].filter((flag) => flag !== undefined));
}

/** Options whose value is not a file name need no file completion; choices are offered. */
function choicesOf(option: Option): readonly string[] {
  return option.argChoices ?? [];
}

/** Patterns for a command and its option, and what the option chooses from: the same name means other things elsewhere. */
function choosing(
  entries: readonly Entry[],
  globals: readonly Option[],
): readonly { readonly pattern: string; readonly choices: string }[] {
  const of = (options: readonly Option[], patternOf: (long: string) => string) =>
    options
      .filter((option) => choicesOf(option).length > 0)
      .map((option) => ({ pattern: patternOf(option.long ?? ''), choices: choicesOf(option).join(' ') }));
  const commands = entries.filter((entry) => entry.path !== '');
  return [
    ...commands.flatMap((entry) => of(entry.options, (long) => `'${entry.path} ${long}'`)),
    ...of(globals, (long) => `*' ${long}'`),
  ];
}

function bash(entries: readonly Entry[], globals: readonly Option[]): string {
  const cases = entries.map((entry) => {
    const words = [...entry.commands.map((one) => one.name), ...entry.values].join(' ');
    return `    '${entry.path}') words='${words}' options='${flags(entry.options).join(' ')}' ;;`;
  });
  const chosen = choosing(entries, globals).map(
    ({ pattern, choices }) => `    ${pattern}) COMPREPLY=($(compgen -W '${choices}' -- "$current")); return ;;`,
  );
  const paths = entries.filter((entry) => entry.path !== '').map((entry) => `'${entry.path}'`);
  return `# bash completion for fit; put it into ~/.local/share/bash-completion/completions/fit
_fit() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} path='' word words='' options=''
  local globals='${flags(globals).join(' ')}'
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "\${path:+$path }$word" in
      ${paths.join('|')}) path="\${path:+$path }$word" ;;
    esac
  done
  case "$path $previous" in
${chosen.join('\n')}
  esac
  case $path in
${cases.join('\n')}
  esac
  if [[ $current == -* ]]; then words="$options $globals"; fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [[ \${#COMPREPLY[@]} -eq 0 && $current != -* ]]; then COMPREPLY=($(compgen -f -- "$current")); fi
}
complete -o filenames -F _fit fit
`;
}

/** Inside single quotes of zsh and fish; zsh's \`_describe\` splits at colons. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function zsh(entries: readonly Entry[], globals: readonly Option[]): string {
  const describe = (entry: Entry) => {
    const commands = entry.commands.map((one) => quoted(`${one.name}:${one.description.replaceAll(':', '\\:')}`));
    const options = [...entry.options, ...(entry.path === '' ? [] : globals)].flatMap((option) =>
      [option.short, option.long]
        .filter((flag) => flag !== undefined)
        .map((flag) => quoted(`${flag}:${option.description.replaceAll(':', '\\:')}`)),
    );
    const values = entry.values.map(quoted).join(' ');
    return `    '${entry.path}') commands=(${commands.join(' ')}); values=(${values}); options=(${options.join(' ')}) ;;`;
  };
  const chosen = choosing(entries, globals).map(
    ({ pattern, choices }) => `    ${pattern}) compadd ${choices}; return ;;`,
  );
  const paths = entries.filter((entry) => entry.path !== '').map((entry) => quoted(entry.path));
  return `#compdef fit
# zsh completion for fit; put it as _fit into a folder of $fpath
_fit() {
  local path_='' word
  local -a commands values options
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "\${path_:+$path_ }$word" in
      ${paths.join('|')}) path_="\${path_:+$path_ }$word" ;;
    esac
  done
  case "$path_ \${words[CURRENT-1]}" in
${chosen.join('\n')}
  esac
  case $path_ in
${entries.map(describe).join('\n')}
  esac
  if [[ $PREFIX == -* ]]; then
    _describe -o option options
  elif (( \${#commands} )); then
    _describe command commands
  elif (( \${#values} )); then
    compadd -a values
  else
    _files
  fi
}
if [[ $funcstack[1] == _fit ]]; then _fit "$@"; else compdef _fit fit; fi
`;
}

function fish(entries: readonly Entry[], globals: readonly Option[]): string {
  const lines: string[] = [];
  for (const entry of entries) {
    const path = entry.path === '' ? [] : entry.path.split(' ');
    const condition =
      path.length === 0
        ? '__fish_use_subcommand'
        : `${path.map((word) => `__fish_seen_subcommand_from ${word}`).join('; and ')}${
            entry.commands.length > 0
              ? `; and not __fish_seen_subcommand_from ${entry.commands.map((one) => one.name).join(' ')}`
              : ''
          }`;
    for (const one of entry.commands) {
      lines.push(`complete -c fit -f -n ${quoted(condition)} -a ${one.name} -d ${quoted(one.description)}`);
    }
    if (entry.values.length > 0) {
      lines.push(`complete -c fit -f -n ${quoted(condition)} -a ${quoted(entry.values.join(' '))}`);
    }
    if (path.length === 0) continue;
    const where = path.map((word) => `__fish_seen_subcommand_from ${word}`).join('; and ');
    for (const option of entry.options) lines.push(fishOption(option, ` -n ${quoted(where)}`));
  }
  for (const option of globals) lines.push(fishOption(option, ''));
  return `# fish completion for fit; put it into ~/.config/fish/completions/fit.fish\n${lines.join('\n')}\n`;
}

function fishOption(option: Option, where: string): string {
  const long = option.long === undefined ? '' : ` -l ${option.long.slice(2)}`;
  const short = option.short === undefined ? '' : ` -s ${option.short.slice(1)}`;
  const choices = choicesOf(option);
  const takes = option.required ? ' -r' : '';
  const values = choices.length > 0 ? ` -f -a ${quoted(choices.join(' '))}` : '';
  return `complete -c fit${where}${short}${long}${takes}${values} -d ${quoted(option.description)}`;
}

const SHELLS = { bash, zsh, fish } as const;

export async function completion(context: Context, _options: object, shell: keyof typeof SHELLS): Promise<undefined> {
  const { createProgram } = await import('../program.ts');
  const program = createProgram();
  const script = SHELLS[shell](entriesOf(program, []), program.options);
  if (context.out.isJson) context.out.json({ shell, script });
  else process.stdout.write(script);
  return undefined;
}
