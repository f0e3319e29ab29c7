/** The shells there is a completion for. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

/** Where a shell looks for completions by itself, and what else it needs to be told. */
export const INSTALLATION: Readonly<Record<Shell, string>> = {
  bash: 'ov completion bash > ~/.local/share/bash-completion/completions/ov',
  zsh: 'ov completion zsh > ~/.zfunc/_ov   # with fpath=(~/.zfunc $fpath) before compinit in ~/.zshrc',
  fish: 'ov completion fish > ~/.config/fish/completions/ov.fish',
}

/**
 * The scripts know no command of `ov`: they hand the words to `ov complete`, which answers with one candidate a line,
 * a tab and what it is about; or with `:files` alone, where the shell's own file names belong.
 *
 * bash splits words at `=` and `:` too; the pieces are put together again, and only the last piece is given back.
 */
const SCRIPTS: Readonly<Record<Shell, string>> = {
  bash: `# Completion of ov for bash
_ov() {
  local words=() piece line joined= count=0 cut=
  for piece in "\${COMP_WORDS[@]:1:COMP_CWORD}"; do
    count=$((count + 1))
    if [[ $piece == [=:] || $joined == yes ]] && ((\${#words[@]} > 0)); then
      words[\${#words[@]} - 1]+=$piece
      if [[ $piece == [=:] ]]; then joined=yes; else joined=; fi
    else
      words+=("$piece")
      joined=
    fi
  done
  cut=\${words[\${#words[@]} - 1]}
  piece=\${COMP_WORDS[COMP_CWORD]}
  if [[ $piece == [=:] ]]; then piece=; fi
  cut=\${cut%"$piece"}
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == :files ]]; then
      compopt -o default 2> /dev/null
      return
    fi
    line=\${line%%$'\\t'*}
    COMPREPLY+=("\${line#"$cut"}")
  done < <(ov complete -- "\${words[@]}" 2> /dev/null)
}
complete -F _ov ov
`,
  zsh: `#compdef ov
# Completion of ov for zsh
_ov() {
  local -a lines described
  local line name
  lines=("\${(@f)$(ov complete -- "\${(@)words[2,CURRENT]}" 2> /dev/null)}")
  if [[ \${lines[1]} == :files ]]; then
    _files
    return
  fi
  for line in $lines; do
    name=\${line%%$'\\t'*}
    described+=("\${name//:/\\\\:}:\${line#*$'\\t'}")
  done
  _describe -V ov described
}
if [ "\${funcstack[1]}" = _ov ]; then _ov "$@"; else compdef _ov ov; fi
`,
  fish: `# Completion of ov for fish
function __ov_complete
    set -l typed (commandline -opc) (commandline -ct)
    set -l lines (ov complete -- $typed[2..-1] 2>/dev/null)
    if test "$lines[1]" = ':files'
        __fish_complete_path (commandline -ct)
    else
        printf '%s\\n' $lines
    end
end
complete -c ov -f -a '(__ov_complete)'
`,
}

export function completionScript(shell: Shell): string {
  return SCRIPTS[shell]
}
