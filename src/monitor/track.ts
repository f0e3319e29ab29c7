/** What events tell of that rows do not hold: the tool an agent uses, and how far the gates of its merge have come. */
export interface Tracks {
  /** By agent id. */
  readonly tools: Map<string, Tool>
  /** By agent id, in the order in which they ran. */
  readonly gates: Map<string, Gate[]>
}

export interface Tool {
  readonly name: string
  /** What it is used on. */
  readonly summary: string
  /** ms since the epoch. */
  readonly since: number
}

export interface Gate {
  readonly name: string
  readonly is: 'running' | 'passed' | 'red' | 'pending'
}

interface EventFacts {
  readonly at: number
  readonly agent_id: string | null
  readonly type: string
  readonly data_json: string
}

export function noTracks(): Tracks {
  return { tools: new Map(), gates: new Map() }
}

/** Takes an event into account. Events come in their order, each once. */
export function follow(tracks: Tracks, { at, agent_id: agent, type, data_json }: EventFacts): void {
  if (agent === null) return
  switch (type) {
    case 'tool.start': {
      const { tool, summary } = JSON.parse(data_json)
      tracks.tools.set(agent, { name: String(tool), summary: String(summary ?? ''), since: at })
      return
    }
    case 'tool.end':
      tracks.tools.delete(agent)
      return
    case 'merge.gate':
      tracks.gates.set(agent, nextGate(tracks.gates.get(agent) ?? [], String(JSON.parse(data_json).gate)))
      return
    case 'merge.merged': {
      const { gates } = JSON.parse(data_json)
      const names: unknown[] = Array.isArray(gates) ? gates : []
      tracks.gates.set(
        agent,
        names.map((name) => ({ name: String(name), is: 'passed' })),
      )
      return
    }
    case 'merge.rejected': {
      const { why } = JSON.parse(data_json)
      const last = why === 'gate' ? 'red' : 'passed'
      tracks.gates.set(
        agent,
        (tracks.gates.get(agent) ?? []).map((gate) => (gate.is === 'running' ? { ...gate, is: last } : gate)),
      )
      return
    }
  }
}

/** A gate begins: the one before it has passed, unless all of them begin anew. */
function nextGate(gates: readonly Gate[], name: string): Gate[] {
  const fresh: Gate = { name, is: 'running' }
  const again = gates.some((gate) => gate.name === name) || gates.every((gate) => gate.is !== 'running')
  if (again) return [fresh]
  return [...gates.map((gate): Gate => ({ ...gate, is: 'passed' })), fresh]
}

/** The gates of an entry, those that are still to come included. */
export function withPending(gates: readonly Gate[], configured: readonly string[]): Gate[] {
  if (gates.some(({ is }) => is === 'red')) return [...gates]
  const rest = configured.filter((name) => !gates.some((gate) => gate.name === name))
  return [...gates, ...rest.map((name): Gate => ({ name, is: 'pending' }))]
}
