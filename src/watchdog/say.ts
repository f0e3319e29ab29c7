import type { Planned, Up } from './up.ts'

/** What `ov up` did, or would do, in sentences; `beside` is talk. */
export function sayUp(up: Up, { dryRun }: { dryRun: boolean }): { result: string[]; beside: string[] } {
  const { planned, merges, leftovers, said, pending } = up
  const beside = [
    ...Map.groupBy(
      planned.filter((one) => one.do === 'leave'),
      ({ why }) => why ?? 'its runtime is not there.',
    ),
  ].map(([why, left]) => {
    const names = left.map(({ agent }) => agent)
    return `Hint: ${names.join(', ')} can't be brought back from here: ${why} More: ov why ${names[0]}`
  })
  if (dryRun) {
    const queue = merges === 0 ? [] : [`the merge queue, ${merges} long, would be driven`]
    const clearing = leftovers.map((left) => `to be cleared away: ${left}`)
    const plan = [...planned.map((one) => `${one.agent}: ${INTENT[one.do]}`), ...queue, ...clearing]
    return { result: plan.length === 0 ? [IN_ORDER] : plan, beside }
  }
  const waiting = pending.map((name) => `${name} waits for a place, or is on its way: ov status`)
  const result = [...said, ...waiting]
  return { result: result.length === 0 ? [IN_ORDER] : result, beside }
}

const IN_ORDER = 'Everything is in order; nothing was to be done.'

const INTENT: Readonly<Record<Planned['do'], string>> = {
  start: 'would be started, as soon as there is a place',
  recover: 'would go on where it was',
  end: 'would be ended, its commits kept',
  'put-aside': 'would be ended: it has been started again too often',
  leave: 'would be left as it is: its program or its login is missing here',
}
