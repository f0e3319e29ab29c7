import { loadRuntime, runtimeIds } from '../../src/agents/registry.ts'
import { conforms } from './conformance.ts'

// The folder says which there are.
for (const id of runtimeIds()) conforms(id, loadRuntime(id))
