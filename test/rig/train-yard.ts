import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { insertAgent } from '../../src/agents/store.ts'
import { write } from '../../src/db/open.ts'
import { enqueueMerge, type MergeEntry } from '../../src/merge/store.ts'
import { openProject, type Project } from '../../src/project.ts'
import { beginRun, currentRun } from '../../src/tasks/runs.ts'
import { countAttempt, insertTask, setTaskState } from '../../src/tasks/store.ts'
import { git, type Home, makeHome, makeRepo } from './sandbox-home.ts'

/** Files of a branch: their content, or null to delete one. */
export type Files = Readonly<Record<string, string | null>>

/** A home with one project, opened in this process, in which branches are queued as agents that said `done` leave them. */
export interface Yard {
  readonly home: Home
  readonly repo: string
  readonly project: Project
  /** Git as the human uses it, in the repository. */
  git(...args: string[]): string
  /** Writes files into the human's checkout, and commits them there if told. */
  human(files: Files, commit?: string): void
  /** What a file in the human's checkout holds. */
  read(path: string): string
  /** A branch with one commit on `base`, its agent waiting for its merge. */
  queue(name: string, files: Files, base?: string): Promise<MergeEntry>
  /** The same agent has another try: a new commit on its branch, queued. */
  again(entry: MergeEntry, files: Files): Promise<MergeEntry>
  dispose(): Promise<void>
}

export interface YardOptions {
  /** Text of `overstory.yaml`. */
  readonly config?: string
  readonly files?: Files
  readonly home?: Home
  /** Changes the repository before `ov` is set up in it; gives where it is then. */
  readonly arrange?: (home: Home, repo: string) => string
}

/** `git` finds its configuration by the environment, so the yard's is this process's until it is disposed of. */
export async function makeYard(options: YardOptions = {}): Promise<Yard> {
  const home = options.home ?? makeHome()
  const outside = { ...process.env }
  Object.assign(process.env, home.env)
  const first = makeRepo(home)
  const put = (folder: string, files: Files) => {
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      if (content === null) rmSync(join(folder, path))
      else writeFileSync(join(folder, path), content)
    }
  }
  put(first, { ...options.files, 'overstory.yaml': options.config ?? '{}\n' })
  git(home, first, 'add', '--all')
  git(home, first, 'commit', '--quiet', '--message', 'Configure ov')
  const repo = options.arrange?.(home, first) ?? first
  mkdirSync(join(repo, '.overstory'), { mode: 0o700 })
  writeFileSync(join(repo, '.overstory', '.gitignore'), '*\n')
  const project = await openProject(repo)

  const commitOn = (branch: string, parent: string, files: Files): string => {
    const env = { ...home.env, GIT_INDEX_FILE: join(home.path, 'yard.index') }
    const plumb = (...args: string[]) => git({ ...home, env }, repo, ...args)
    plumb('read-tree', parent)
    for (const [path, content] of Object.entries(files)) {
      if (content === null) plumb('update-index', '--force-remove', path)
      else {
        const blob = join(home.path, 'yard.blob')
        writeFileSync(blob, content)
        const sha = plumb('hash-object', '-w', '--no-filters', blob)
        plumb('update-index', '--add', '--cacheinfo', `100644,${sha},${path}`)
      }
    }
    const commit = plumb('commit-tree', plumb('write-tree'), '-p', parent, '-m', `Work of ${branch}`)
    plumb('update-ref', `refs/heads/${branch}`, commit)
    return commit
  }
  return {
    home,
    repo,
    project,
    git: (...args) => git(home, repo, ...args),
    human(files, commit) {
      put(repo, files)
      if (commit === undefined) return
      for (const path of Object.keys(files)) git(home, repo, 'add', '--', path)
      git(home, repo, 'commit', '--quiet', '--message', commit)
    },
    read: (path) => readFileSync(join(repo, path), 'utf8'),
    async queue(name, files, base = 'refs/heads/main') {
      const branch = `ov/run-1/${name}`
      const head = commitOn(branch, git(home, repo, 'rev-parse', base), files)
      return write(project.db, async (tx) => {
        const now = project.clock.now()
        const run = (await currentRun(tx)) ?? (await beginRun(tx, now))
        const facts = { runId: run.id, capability: 'builder' as const }
        const task = await insertTask(
          tx,
          { ...facts, title: `Task of ${name}`, body: name, command: null, files: null, baseRef: null, again: true },
          now,
        )
        const agent = await insertAgent(
          tx,
          {
            ...facts,
            taskId: task.id,
            name,
            runtime: 'shell',
            model: null,
            mode: 'structured',
            parentId: null,
            depth: 0,
            branch,
            worktree: name,
          },
          now,
        )
        await tx
          .updateTable('agents')
          .set({ state: 'waiting', waiting_on: 'merge', claimed_done: 1 })
          .where('id', '=', agent.id)
          .execute()
        await countAttempt(tx, task.id, now)
        await setTaskState(tx, task.id, 'merging', now)
        return enqueueMerge(tx, { run_id: run.id, task_id: task.id, agent_id: agent.id, branch, head_sha: head }, now)
      })
    },
    async again(entry, files) {
      const { branch, run_id, task_id, agent_id } = entry
      const head = commitOn(branch, git(home, repo, 'rev-parse', `refs/heads/${branch}`), files)
      return write(project.db, async (tx) => {
        const now = project.clock.now()
        await setTaskState(tx, task_id, 'merging', now)
        return enqueueMerge(tx, { run_id, task_id, agent_id, branch, head_sha: head }, now)
      })
    },
    async dispose() {
      await project.close()
      for (const name of Object.keys(home.env)) {
        if (outside[name] === undefined) delete process.env[name]
        else process.env[name] = outside[name]
      }
      if (options.home === undefined) await home.dispose()
    },
  }
}
