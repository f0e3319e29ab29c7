import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { git, type Home, makeHome, readyRepo } from '../../rig/sandbox-home.ts'

/** Repositories that are set up, each on a machine of its own, by what is configured in them. */
const masters = new Map<string, { readonly home: Home; readonly repo: Promise<string> }>()

/** A repository that is configured and set up for `ov`: a copy, as setting one up takes a good part of a try. */
export async function readyCopy(home: Home, config = ''): Promise<string> {
  const master = masters.get(config) ?? newMaster(config)
  const repo = join(home.path, 'repo')
  cpSync(await master.repo, repo, { recursive: true })
  // Git has to see once that these files are the same.
  git(home, repo, 'status')
  return repo
}

function newMaster(config: string) {
  const home = makeHome()
  const master = { home, repo: readyRepo(home, config) }
  masters.set(config, master)
  return master
}

export async function disposeMasters(): Promise<void> {
  for (const { home } of masters.values()) await home.dispose()
  masters.clear()
}
