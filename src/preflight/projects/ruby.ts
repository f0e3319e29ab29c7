import { type Finding, type Folder, firstOf, type GateName } from '../project-type.ts'

/** Gemfile, Rakefile or a gemspec: rspec, Rails' own runner or rake; rubocop; sorbet or steep. */
export function findRuby(folder: Folder): Finding | null {
  const gemspec = folder.list().find((name) => name.endsWith('.gemspec'))
  const evidence = firstOf(folder, ['Gemfile', 'Rakefile']) ?? gemspec
  if (evidence === undefined) return null
  const bundled = folder.has('Gemfile')
  const run = bundled ? 'bundle exec ' : ''
  const gems = [folder.text('Gemfile'), gemspec === undefined ? null : folder.text(gemspec)].join('\n')
  const uses = (gem: string) => new RegExp(`^[^#\\n]*["']${gem}["']`, 'm').test(gems)
  const gates: Partial<Record<GateName, string>> = {}
  const rakefile = folder.text('Rakefile') ?? ''
  if (folder.has('.rspec') || uses('rspec') || uses('rspec-rails')) gates['tests-pass'] = `${run}rspec`
  else if (folder.has('bin/rails') && folder.has('test')) gates['tests-pass'] = 'bin/rails test'
  else if (/Rake::TestTask|Minitest::TestTask|^\s*task\s*\(?\s*(:test\b|test:|["']test["'])/m.test(rakefile))
    gates['tests-pass'] = `${run}rake test`
  if (folder.has('.rubocop.yml') || uses('rubocop')) gates['lint-clean'] = `${run}rubocop`
  else if (uses('standard')) gates['lint-clean'] = `${run}standardrb`
  if (folder.has('sorbet/config') || uses('sorbet')) gates['type-check'] = `${run}srb tc`
  else if (folder.has('Steepfile')) gates['type-check'] = `${run}steep check`
  const setup = bundled && folder.has('Gemfile.lock') ? ['BUNDLE_FROZEN=true bundle install --quiet'] : []
  return {
    type: 'ruby',
    evidence,
    gates,
    setup,
    programs: Object.keys(gates).length + setup.length === 0 ? [] : bundled ? ['ruby', 'bundle'] : ['ruby'],
    artefacts: [],
    notes: [],
  }
}
