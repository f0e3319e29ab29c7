import { join } from 'node:path'

/*
 * Where the files of `ov` are that are found by their names: the sources as they stand, or dist/ with the same folders
 * in it. This module, and whatever it is bundled into, lies one level below.
 */
const FOLDER = join(import.meta.dirname, '..')

/** `.ts` where Node runs the sources, `.js` where they are built. */
export const EXTENSION = import.meta.filename.endsWith('.ts') ? '.ts' : '.js'

/** The folder of package.json. */
export const PACKAGE_FOLDER = EXTENSION === '.ts' ? FOLDER : join(FOLDER, '..')

/** The binary. */
export const OV_MAIN = join(FOLDER, 'src', `main${EXTENSION}`)

/** One file, one agent CLI. */
export const RUNTIMES_FOLDER = join(FOLDER, 'runtimes')

/** The instructions of each capability. */
export const CAPABILITIES_FOLDER = join(FOLDER, 'src', 'capabilities')

/** What the hooks of an agent's CLI call; each agent gets a copy, which finds its folder by where it lies. */
export const OV_HOOK = join(FOLDER, 'src', 'hooks', 'ov-hook')

/** What the build knows of every command; it lies beside dist/. */
export const MANIFEST = join(FOLDER, ...(EXTENSION === '.ts' ? [] : ['..']), 'oclif.manifest.json')
