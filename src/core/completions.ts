/** Shell completions, from a tree of commands: what may follow each path of words. */
export interface CommandWords {
  about: string;
  flags: string[];
  commands: Record<string, CommandWords>;
}

/** Every path of commands, as `project create`, with the words that may follow it. */
function paths(
  node: CommandWords,
  path: string[] = [],
): { path: string; words: string[]; node: CommandWords }[] {
  const here = { path: path.join(" "), words: [...Object.keys(node.commands), ...node.flags], node };
  return [here, ...Object.entries(node.commands).flatMap(([name, sub]) => paths(sub, [...path, name]))];
}

const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

function bash(program: string, tree: CommandWords): string {
  const fn = `_${program.replaceAll("-", "_")}`;
  const cases = paths(tree).map((one) => `    ${quote(one.path)}) words=${quote(one.words.join(" "))} ;;`);
  return `# ${program}: completions for bash
${fn}() {
  local path="" words="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "\${COMP_WORDS[i]}" in
    -*) ;;
    *) path="\${path:+$path }\${COMP_WORDS[i]}" ;;
    esac
  done
  while :; do
    case "$path" in
${cases.join("\n")}
    *)
      path="\${path% *}"
      continue
      ;;
    esac
    break
  done
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F ${fn} ${program}
`;
}

function zsh(program: string, tree: CommandWords): string {
  return `#compdef ${program}
# ${program}: completions for zsh, by way of those for bash
autoload -U +X bashcompinit && bashcompinit
${bash(program, tree)}`;
}

function fish(program: string, tree: CommandWords): string {
  const lines = paths(tree).flatMap(({ path, node }) => {
    const at = path === "" ? "" : ` ${path}`;
    const here = `-n ${quote(`string match -qr "^${program}${at}( -\\\\S*)*\\$" -- (commandline -xpc | string join " ")`)}`;
    return [
      ...Object.entries(node.commands).map(
        ([name, sub]) => `complete -c ${program} -f ${here} -a ${quote(name)} -d ${quote(sub.about)}`,
      ),
      ...node.flags.map((flag) => `complete -c ${program} ${here} -l ${quote(flag.replace(/^--/, ""))}`),
    ];
  });
  return `# ${program}: completions for fish\n${lines.join("\n")}\n`;
}

export function completions(program: string, tree: CommandWords): Record<"bash" | "zsh" | "fish", string> {
  return { bash: bash(program, tree), zsh: zsh(program, tree), fish: fish(program, tree) };
}
