import { namedAgent } from '../../agents/named.ts'
import { changesSeen } from '../../db/open.ts'
import { OvError } from '../../errors.ts'
import { getMail } from '../../mail/store.ts'
import { viewsOf } from '../../mail/view.ts'
import { type FleetReader, fleetReader, lastLines, type MonitorReport } from '../../monitor/report.ts'
import { changedAt, fileId, watchDatabase } from '../../os/files.ts'
import type { Project } from '../../project.ts'
import { inspectAgent } from '../../reports/inspect.ts'
import { outputFile } from '../../state-dir.ts'
import { inspectScreen } from '../inspect-screen.ts'
import { lettersText } from '../letters.ts'
import { wrapTo } from '../width.ts'
import type { Actions, Done } from './actions.ts'
import { type Frame, frameOf, type Memory, type Size } from './frame.ts'
import { type Act, type Key, type Page, press, startingAt, type Ui } from './keys.ts'
import { steady } from './line.ts'
import { nextLook, SETTLE_MS } from './pace.ts'

/** Milliseconds between two looks at what nobody reports: the time of day, runners, logs. */
const TICK_MS = 1_000
/** Milliseconds after which runners are asked after, even if nothing was recorded. */
const SIGHT_LASTS_MS = 3_000
/** An agent's page is read anew after so many times what reading it took, and no sooner than so many milliseconds. */
const PAGE_PAUSE_FACTOR = 50
const PAGE_PAUSE_MS = 1_000

/** How the person left. */
export type Ended = 'quit' | 'interrupt'

/** Lines of a page for a width, painted. */
type PageText = (width: number) => string[]

/**
 * The live screen without the terminal: it watches, looks, takes keys, and says which lines are to be shown. It only
 * reads; what a key does to an agent is done by `actions`.
 */
export class Live {
  readonly #project: Project
  readonly #reader: FleetReader
  readonly #actions: Actions
  readonly #ascii: boolean
  readonly #file: string | null
  readonly #memory: Memory = new Map()
  #size: Size
  #ui: Ui
  #report: MonitorReport
  #frame: Frame
  #trouble: string | null = null
  #listeners = new Set<() => void>()
  #unwatch: () => void = () => undefined
  #looking = false
  #again = false
  #lookTimer: NodeJS.Timeout | undefined
  #tickTimer: NodeJS.Timeout | undefined
  #lookedAt = performance.now()
  #usageThen = process.cpuUsage()
  #changes = -1
  #page: { readonly of: Page; readonly text: PageText | null; readonly due: number } | null = null
  #readingPage = false
  /** What the selected agent said last, and when its log was last written to. */
  #output: { readonly id: string; readonly at: number | null; readonly lines: readonly string[] } | null = null
  #over = false
  readonly #end = Promise.withResolvers<Ended>()

  private constructor(
    project: Project,
    reader: FleetReader,
    report: MonitorReport,
    actions: Actions,
    look: { size: Size; ascii: boolean },
  ) {
    this.#project = project
    this.#reader = reader
    this.#actions = actions
    this.#ascii = look.ascii
    this.#size = look.size
    this.#report = report
    this.#file = fileId(project.databasePath)
    // What needs a person comes first.
    this.#ui = startingAt(report.problems.length > 0 ? 'problems' : 'fleet')
    this.#frame = this.#picture()
  }

  /** @throws {OvError} `run.unknown`, and what the database says */
  static async begin(
    project: Project,
    actions: Actions,
    look: { run: string | undefined; size: Size; ascii: boolean },
  ): Promise<Live> {
    let live: Live | null = null
    const reader = fleetReader(project, {
      ...(look.run === undefined ? {} : { run: look.run }),
      later: () => live?.wake(),
    })
    live = new Live(project, reader, await reader.read(), actions, look)
    return live
  }

  /** Watches from now on. Settles when the person has left, or with what makes it impossible to go on. */
  async run(gone: AbortSignal): Promise<Ended> {
    gone.addEventListener('abort', () => this.#leave('interrupt'))
    this.#beginWork()
    this.#watch()
    this.#tickTimer = setInterval(() => this.#guard(this.#tick()), TICK_MS)
    this.wake()
    try {
      return await this.#end.promise
    } finally {
      this.#over = true
      clearInterval(this.#tickTimer)
      clearTimeout(this.#lookTimer)
      this.#unwatch()
    }
  }

  /** Calls `changed` when `lines` are others. Gives the function that ends it. */
  readonly subscribe = (changed: () => void): (() => void) => {
    this.#listeners.add(changed)
    return () => this.#listeners.delete(changed)
  }

  /** The same array until a line changes. */
  readonly lines = (): readonly string[] => this.#frame.lines

  resize(size: Size): void {
    if (size.columns === this.#size.columns && size.rows === this.#size.rows) return
    this.#size = size
    this.#draw()
  }

  press(key: Key): void {
    const { ui, act } = press(this.#ui, key, this.#frame.seen)
    this.#show(ui)
    if (act !== null) this.#guard(this.#do(act))
  }

  #show(ui: Ui): void {
    this.#ui = ui
    const { page } = ui
    if (page === null || page.is === 'help') this.#page = null
    else if (this.#page === null || !isSamePage(this.#page.of, page)) {
      this.#page = { of: page, text: null, due: 0 }
      this.#guard(this.#readPage())
    }
    this.#draw()
    this.#guard(
      this.#readOutput().then((read) => {
        if (read) this.#draw()
      }),
    )
  }

  async #do(act: Act): Promise<void> {
    switch (act.do) {
      case 'quit':
        return this.#leave('quit')
      case 'interrupt':
        return this.#leave('interrupt')
      case 'suspend':
        return this.#actions.suspend()
      case 'redraw':
        return this.#actions.redraw()
      case 'attach':
        return this.#tell(await this.#actions.attach(act.agent))
      case 'nudge':
        this.#say(`Telling ${act.agent} …`)
        return this.#tell(await this.#actions.nudge(act.agent, act.text))
      case 'reply':
        this.#say(`Answering ${act.to} …`)
        return this.#tell(await this.#actions.reply(act.mail, act.text))
      case 'stop':
        this.#say(`Stopping ${act.agent} …`)
        return this.#tell(await this.#actions.stop(act.agent))
    }
  }

  #say(text: string, bad = false): void {
    this.#ui = { ...this.#ui, message: { text, bad } }
    this.#draw()
  }

  #tell({ text, bad }: Done): void {
    if (text !== '') this.#say(text, bad)
    this.wake()
  }

  #leave(how: Ended): void {
    this.#end.resolve(how)
  }

  /** What goes wrong in the background ends the whole, honestly. */
  #guard(work: Promise<void>): void {
    work.catch((error: unknown) => this.#end.reject(error))
  }

  /** One report is enough: the watching begins anew with the next look, however many changes come meanwhile. */
  #watch(): void {
    this.#unwatch()
    this.#unwatch = watchDatabase(this.#project.databasePath, () => {
      this.#unwatch()
      this.wake()
    })
  }

  /** Something may have changed: looks as soon as the share of the processor allows. */
  wake(): void {
    if (this.#over || this.#lookTimer !== undefined) return
    if (this.#looking) {
      this.#again = true
      return
    }
    const lookWhenDue = () => {
      // Asked again at the time: what the last picture took shows only when the terminal has it.
      const wait = this.#due() - performance.now()
      if (wait > 1) {
        this.#lookTimer = setTimeout(lookWhenDue, wait)
        return
      }
      this.#lookTimer = undefined
      this.#guard(this.#look())
    }
    this.#lookTimer = setTimeout(lookWhenDue, Math.max(SETTLE_MS, this.#due() - performance.now()))
  }

  /** When the next look may be, by the clock of `performance.now`. */
  #due(): number {
    const { user, system } = process.cpuUsage(this.#usageThen)
    return nextLook(this.#lookedAt, (user + system) / 1000)
  }

  /** Work that nobody asked for by a key begins now. */
  #beginWork(): void {
    this.#lookedAt = performance.now()
    this.#usageThen = process.cpuUsage()
  }

  async #look(): Promise<void> {
    this.#looking = true
    this.#beginWork()
    this.#watch()
    try {
      this.#stillThere()
      this.#changes = await changesSeen(this.#project.db, this.#project.databasePath)
      this.#report = await this.#reader.read()
      this.#trouble = null
    } catch (error) {
      // Somebody holds the whole database for a moment: what was seen last stays, and says so.
      if (!(error instanceof OvError) || error.code !== 'db.busy') throw error
      this.#trouble = 'database is busy'
    } finally {
      this.#looking = false
    }
    await this.#readOutput()
    this.#guard(this.#readPage())
    this.#draw()
    if (!this.#again) return
    this.#again = false
    this.wake()
  }

  /** @throws {OvError} `monitor.gone` */
  #stillThere(): void {
    const { databasePath, root } = this.#project
    if (fileId(databasePath) === this.#file) return
    throw new OvError('failed', 'monitor.gone', `The project's database is not there any more: ${databasePath}`, {
      hint: `If it was put anew, open the monitor again: cd '${root}' && ov monitor`,
    })
  }

  /** What no change of the database tells: what time it is, and what the kernel and the logs say. */
  async #tick(): Promise<void> {
    if (this.#looking || this.#lookTimer !== undefined) return
    this.#stillThere()
    const { db, databasePath } = this.#project
    if (performance.now() < this.#due()) return
    const old = performance.now() - this.#lookedAt > SIGHT_LASTS_MS
    if (old || this.#logsGrew() || (await changesSeen(db, databasePath)) !== this.#changes) return this.wake()
    this.#draw()
  }

  #logsGrew(): boolean {
    return this.#report.agents.some(
      ({ id, endedAt, lastOutput }) => endedAt === null && changedAt(outputFile(this.#project, { id })) !== lastOutput,
    )
  }

  async #readPage(): Promise<void> {
    const page = this.#page
    const began = performance.now()
    if (page === null || this.#readingPage || began < page.due) return
    this.#readingPage = true
    try {
      const text = await this.#textOf(page.of)
      const now = performance.now()
      const pause = Math.max(PAGE_PAUSE_MS, PAGE_PAUSE_FACTOR * (now - began))
      if (this.#page?.of === page.of) this.#page = { of: page.of, text, due: now + pause }
    } finally {
      this.#readingPage = false
    }
    this.#draw()
    // Another page was opened while this one was read.
    if (this.#page !== null && this.#page.text === null) await this.#readPage()
  }

  /** Reads what the selected agent said, where that is shown and there is more of it. True when something was read. */
  async #readOutput(): Promise<boolean> {
    const { agent: name } = this.#frame.seen
    const agent = this.#report.agents.find((one) => one.name === name)
    if (agent === undefined || !this.#frame.showsOutput) return false
    if (this.#output?.id === agent.id && this.#output.at === agent.lastOutput) return false
    const lines = await lastLines(this.#project, agent, this.#size.rows)
    this.#output = { id: agent.id, at: agent.lastOutput, lines }
    return true
  }

  async #textOf(page: Page): Promise<PageText> {
    const { db, clock } = this.#project
    try {
      switch (page.is) {
        case 'agent': {
          const inspection = await inspectAgent(this.#project, await namedAgent(this.#project, page.name))
          return (width) => inspectScreen(inspection, width)
        }
        case 'mail': {
          const mail = await getMail(db, page.id)
          const views = mail === undefined ? [] : await viewsOf(db, [mail])
          return (width) =>
            lettersText(views, clock.now(), { whole: true })
              .split('\n')
              .flatMap((line) => wrapTo(steady(line), width))
        }
        case 'help':
          return () => []
      }
    } catch (error) {
      if (!(error instanceof OvError)) throw error
      return (width) => wrapTo(error.message, width)
    }
  }

  #picture(): Frame {
    const page = this.#page?.text?.(this.#size.columns) ?? null
    const { id, lines = [] } = this.#output ?? {}
    const speaker = this.#report.agents.find((agent) => agent.id === id)
    const scene = {
      report: this.#report,
      ui: this.#ui,
      now: this.#project.clock.now(),
      page,
      output: speaker === undefined ? null : { agent: speaker.name, lines },
      trouble: this.#trouble,
    }
    return frameOf(scene, this.#size, this.#memory, this.#ascii)
  }

  /** Tells the listeners only when a line is another one. */
  #draw(): void {
    const before = this.#frame.lines
    const next = this.#picture()
    const same = next.lines.length === before.length && next.lines.every((line, index) => line === before[index])
    this.#frame = same ? { ...next, lines: before } : next
    if (!same) for (const changed of this.#listeners) changed()
  }
}

function isSamePage(one: Page, other: Page): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}
