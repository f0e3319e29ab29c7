import { type Finding, type Folder, firstOf, type GateName } from '../project-type.ts'

/** pom.xml or a Gradle build, by its wrapper where it has one. Linters only where the build names their plugin. */
export function findJava(folder: Folder): Finding | null {
  return findMaven(folder) ?? findGradle(folder)
}

function findMaven(folder: Folder): Finding | null {
  const pom = folder.text('pom.xml')
  if (pom === null) return null
  const wrapped = folder.has('mvnw')
  const maven = `${wrapped ? 'sh ./mvnw' : 'mvn'} --batch-mode --no-transfer-progress`
  const gates: Partial<Record<GateName, string>> = {
    'tests-pass': `${maven} test`,
    'type-check': `${maven} test-compile`,
    build: `${maven} -DskipTests package`,
  }
  if (pom.includes('spotless-maven-plugin')) gates['lint-clean'] = `${maven} spotless:check`
  else if (pom.includes('maven-checkstyle-plugin')) gates['lint-clean'] = `${maven} checkstyle:check`
  return {
    type: 'java',
    evidence: 'pom.xml',
    gates,
    setup: [],
    programs: wrapped ? ['java'] : ['java', 'mvn'],
    artefacts: ['target'],
    notes: [],
  }
}

function findGradle(folder: Folder): Finding | null {
  const files = ['build.gradle.kts', 'build.gradle', 'settings.gradle.kts', 'settings.gradle']
  const evidence = firstOf(folder, files)
  if (evidence === undefined) return null
  const wrapped = folder.has('gradlew')
  // A daemon would outlive the gate that started it.
  const gradle = `${wrapped ? 'sh ./gradlew' : 'gradle'} --no-daemon --console=plain`
  const build = files.map((file) => folder.text(file) ?? '').join('\n')
  const gates: Partial<Record<GateName, string>> = {
    'tests-pass': `${gradle} test`,
    'type-check': `${gradle} testClasses`,
    build: `${gradle} assemble`,
  }
  if (/spotless/.test(build)) gates['lint-clean'] = `${gradle} spotlessCheck`
  else if (/ktlint/.test(build)) gates['lint-clean'] = `${gradle} ktlintCheck`
  else if (/detekt/.test(build)) gates['lint-clean'] = `${gradle} detekt`
  else if (/\bcheckstyle\b/.test(build)) gates['lint-clean'] = `${gradle} checkstyleMain checkstyleTest`
  return {
    type: 'java',
    evidence,
    gates,
    setup: [],
    programs: wrapped ? ['java'] : ['java', 'gradle'],
    artefacts: ['build', '.gradle'],
    notes: [],
  }
}
