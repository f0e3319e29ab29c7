import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { takingDown } from '../oracle.ts'

/*
 * What a scripted agent does with its task, as the shell script that a FAKE `claude` runs for every prompt
 * (test/rig/talking-claude.ts). It may be killed at any line and run again: how far it is it reads from its worktree and
 * from files of its own, outside `ov`. What it was acknowledged it takes down there, after the acknowledgement.
 */

/** What one agent is to do. */
export interface Plan {
  readonly name: string
  /** Seconds of work in each half. */
  readonly work: number
  /** To whom it sends a mail each. */
  readonly mails: readonly string[]
  /** It asks the human something and ends its turn. */
  readonly asks: boolean
  /** Its first claim doesn't pass the gate. */
  readonly red: boolean
  /** It amends its first commit. */
  readonly amends: boolean
  /** Its turn shows nothing for so long, in seconds; 0: it doesn't hang. */
  readonly hangs: number
  /** It prints so many lines. */
  readonly floods: number
}

/** Files that say what all agents do. */
export interface Switches {
  /** While it is there, everybody waits in the middle of its turn. */
  readonly hold: string
  /** While it is there, the account is at its limit, which ends so many seconds later as it holds. */
  readonly limit: string
}

export interface Brain {
  readonly script: string
  readonly switches: Switches
  plan(plan: Plan): void
  /** Where an agent takes down what it was acknowledged. */
  readonly file: (agent: string, what: 'commits' | 'mails' | 'done') => string
}

export function makeBrain(folder: string): Brain {
  mkdirSync(folder, { recursive: true })
  const switches = { hold: join(folder, 'hold'), limit: join(folder, 'limit') }
  const file: Brain['file'] = (agent, what) => join(folder, `${agent}.${what}`)
  return {
    switches,
    file,
    plan: ({ name, work, mails, asks, red, amends, hangs, floods }) =>
      writeFileSync(
        join(folder, `${name}.plan`),
        [
          `work=${work}`,
          `mails='${mails.join(' ')}'`,
          `asks=${asks ? 1 : 0}`,
          `red=${red ? 1 : 0}`,
          `amends=${amends ? 1 : 0}`,
          `hangs=${hangs}`,
          `floods=${floods}`,
          '',
        ].join('\n'),
      ),
    script: scriptIn(folder, switches),
  }
}

function scriptIn(folder: string, { hold, limit }: Switches): string {
  const own = (what: string) => `'${folder}'/"$me".${what}`
  // In a shell script the file is named by a variable, so the quotes around it end before that.
  const down = (what: string, text: string) => takingDown(`${folder}/'"$me"'.${what}`, text)
  return `
me=$OV_AGENT
cat > /dev/null
left=$(cat '${limit}' 2> /dev/null)
if [ -n "$left" ]; then echo $(($(date +%s) + left)); exit 43; fi
. ${own('plan')}
# What it was ever told stands in its conversation, also what came in a turn that was cut off.
told() { grep -hs '"agent":"'"$me"'"' "\${CLAUDE_CONFIG_DIR:-$HOME/.claude}"/projects/*/*.jsonl | grep -o "$1" | wc -l; }

# A full disk or a busy database passes: then the same again.
again() { tries=0; until "$@"; do tries=$((tries + 1)); [ $tries -gt 80 ] && return 1; sleep 0.5; done; }
held() { while [ -e '${hold}' ]; do sleep 0.3; done; }
works() { i=0; while [ $i -lt "$work" ]; do held; sleep 1; i=$((i + 1)); done; }
has() { git log --format=%s -n 50 | grep -qx "$1"; }
commits() {
  git add -A && { git diff --cached --quiet || git commit -q -m "$1"; } && has "$1" || return 1
  sha=$(git rev-parse HEAD) && ${down('commits', '{"sha":"$sha"}')}
}
first() { echo "$me" > "$me-1.txt" && { [ "$red" = 0 ] || [ -e ${own('mended')} ] || : > bad; } && commits "First half of $me"; }
second() { echo "$me" > "$me-2.txt" && commits "Second half of $me"; }
amends() { git commit -q --amend -m "First half of $me" -m 'Said better.' && sha=$(git rev-parse HEAD) && ${down('commits', '{"sha":"$sha"}')} && : > ${own('amended')}; }
mends() { git rm -qf --ignore-unmatch bad && { git diff --cached --quiet || git commit -q -m 'Take bad out again'; } && sha=$(git rev-parse HEAD) && ${down('commits', '{"sha":"$sha"}')}; }
# Each try has a number of its own: one that failed may have been sent all the same.
sends() {
  n=$(($(cat ${own('count')} 2> /dev/null || echo 0) + 1)) && echo $n > ${own('count')} || return 1
  ov mail send --to "$1" --subject "T $me $n" --body "from $me" > ${own('out')} 2>&1
  code=$?
  if [ $code = 0 ]; then ${down('mails', '{"from":"$me","to":"$1","nth":$n}')}; return 0; fi
  # Who has ended takes no mail.
  [ $code = 2 ]
}
asks() { ov ask "Question of $me" > ${own('out')} 2>&1 && : > ${own('asked')}; }
claims() {
  ov done --summary "Both halves of $me" > ${own('out')} 2>&1
  code=$?
  # Its task has ended.
  [ $code = 2 ] && return 0
  [ $code = 0 ] && ${down('done', '{"agent":"$me"}')} && : > ${own('claimed')}
}

held
failures=$(told 'type=..merge_failed')
if [ "$failures" -gt "$(cat ${own('mended')} 2> /dev/null || echo 0)" ]; then
  rm -f ${own('claimed')}
  again mends && echo "$failures" > ${own('mended')}
fi
if [ -e ${own('claimed')} ]; then echo 'I have claimed it.'; exit; fi
has "First half of $me" || again first
if [ "$amends" = 1 ] && [ ! -e ${own('amended')} ]; then again amends; fi
if [ "$floods" -gt 0 ] && [ ! -e ${own('flooded')} ]; then : > ${own('flooded')}; yes "all work and no play $me" | head -n "$floods"; fi
if [ "$hangs" -gt 0 ] && [ ! -e ${own('hung')} ]; then : > ${own('hung')}; sleep "$hangs"; fi
works
next=1
for to in $mails; do
  if [ ! -e ${own('sent')}-$next ]; then again sends "$to"; : > ${own('sent')}-$next; fi
  next=$((next + 1))
done
if [ "$asks" = 1 ] && [ "$(told "answer to $me")" = 0 ]; then
  if [ ! -e ${own('asked')} ]; then again asks; fi
  echo 'I wait for the answer.'; exit
fi
works
held
again second
again claims
echo 'Done.'
`
}
