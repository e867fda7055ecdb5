import type { Command } from 'commander';

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

/** A completion script of the verbs and their options; names of migrations are asked of the service when it answers. */
export function completion(root: Command, shell: Shell): string {
  const verbs = root.commands.map((one) => ({
    name: one.name(),
    about: one.description().replaceAll("'", ''),
    options: one.options.flatMap((option) => (option.long ? [option.long] : [])),
  }));
  const names = verbs.map((one) => one.name).join(' ');
  const migrations = 'highwater status 2>/dev/null | awk "NR > 1 { print \\$1 }"';
  if (shell === 'fish')
    return [
      'complete -c highwater -f',
      ...verbs.map((one) => `complete -c highwater -n __fish_use_subcommand -a ${one.name} -d '${one.about}'`),
      ...verbs.flatMap((one) =>
        one.options.map(
          (option) => `complete -c highwater -n '__fish_seen_subcommand_from ${one.name}' -l ${option.slice(2)}`,
        ),
      ),
      `complete -c highwater -n 'not __fish_use_subcommand' -a '(${migrations.replaceAll('\\$', '\\$')})'`,
      '',
    ].join('\n');
  const cases = verbs.map((one) => `    ${one.name}) words="${one.options.join(' ')}" ;;`).join('\n');
  const bash = `_highwater() {
  local words
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '${names}' -- "\${COMP_WORDS[1]}"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases}
  esac
  case "\${COMP_WORDS[COMP_CWORD]}" in
    -*) ;;
    *) words="$(${migrations})" ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}") $(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _highwater highwater
`;
  return shell === 'bash' ? bash : `autoload -U +X bashcompinit && bashcompinit\n${bash}`;
}
