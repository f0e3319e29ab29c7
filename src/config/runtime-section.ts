import type { Mode } from '../contract/states.ts'

/** The settings of one runtime (`runtime.<name>`). What they mean: schema.ts. */
export interface RuntimeSection {
  binary?: string | undefined
  args: string[]
  mode: Mode
  env: string[]
  gateway?: { baseUrl?: string | undefined; key?: string | undefined } | undefined
}

/** What holds where a runtime has no section, or one without these. */
export const SECTION_DEFAULTS = { args: [], mode: 'structured', env: [] } satisfies RuntimeSection

interface WithSections {
  readonly runtime: { readonly sections: Readonly<Record<string, RuntimeSection | undefined>> }
}

/** The settings of one runtime, or their defaults. */
export function runtimeSection(config: WithSections, runtime: string): RuntimeSection {
  return config.runtime.sections[runtime] ?? SECTION_DEFAULTS
}
