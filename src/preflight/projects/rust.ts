import type { Finding, Folder } from '../project-type.ts'

/** Cargo.toml: cargo has all three checks built in. Warnings of clippy are errors, as everywhere it is a gate. */
export function findRust(folder: Folder): Finding | null {
  const manifest = folder.text('Cargo.toml')
  if (manifest === null) return null
  const scope = /^\s*\[workspace\]/m.test(manifest) ? ' --workspace' : ''
  return {
    type: 'rust',
    evidence: 'Cargo.toml',
    gates: {
      'tests-pass': `cargo test${scope}`,
      'lint-clean': `cargo clippy${scope} --all-targets -- -D warnings`,
      'type-check': `cargo check${scope} --all-targets`,
      build: `cargo build${scope}`,
    },
    setup: [],
    programs: ['cargo', 'cargo-clippy'],
    artefacts: ['target'],
    notes: [],
  }
}
