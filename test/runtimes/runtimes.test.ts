import { loadRuntime, runtimeIds } from '../../src/runtimes/registry.ts'
import { conforms } from './conformance.ts'

// The folder says which there are.
for (const id of runtimeIds()) conforms(id, loadRuntime(id))
