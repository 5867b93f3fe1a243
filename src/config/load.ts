// File and environment → a configuration, or every problem at once, each with its place. Nothing is half loaded:
// one error anywhere, a secret that is missing included, and there is no configuration.
import { configFindings } from './check.ts'
import { readDocument, type ParsedDocument, type PlaceOf } from './document.ts'
import { expandVariables, readOverrides, withOverrides } from './environment.ts'
import { maskedLines } from './mask.ts'
import { formatPath, indexFaults, type Finding, type HasFault, type Path, type Problem } from './problems.ts'
import type { RawConfig, RawSecret } from './raw.ts'
import { resolve } from './resolve.ts'
import { configSchema } from './schema/schema.ts'
import { secretPaths } from './secret-paths.ts'
import { findSecret, type SecretPlaces } from './secrets.ts'
import { readTrustedFile, systemAccounts, type Accounts } from './trusted-file.ts'
import type { Config, Secret } from './types.ts'
import { violations } from './validate.ts'

/** What a configuration depends on besides its file. */
export interface Surroundings {
  /** Overrides, `${NAME}` and secrets come from here. */
  readonly env: NodeJS.ProcessEnv
  /** Who may own the files; the system's accounts unless given. */
  readonly accounts?: Accounts
  /** Leaves keys where they are, for who may not read them: the rest of the file is checked. */
  readonly withoutSecrets?: boolean
  /** Takes the keys that can be had; the others are no problems here, for who judges them one by one. */
  readonly mayLackSecrets?: boolean
}

export type LoadedConfig =
  | { ok: true; config: Config; raw: RawConfig; warnings: Problem[]; lines: string[] }
  /** `lines` are the file's, without what may be a secret; empty when it could not be read. */
  | { ok: false; problems: Problem[]; lines: string[] }

const maxConfigBytes = 1024 * 1024

/** Loads a configuration file. Expected faults of any kind are problems; nothing is thrown for them. */
export function loadConfig(file: string, surroundings: Surroundings): LoadedConfig {
  const accounts = surroundings.accounts ?? systemAccounts()
  const read = readTrustedFile(file, { maxBytes: maxConfigBytes, isSecret: false }, accounts)
  if (read.kind === 'absent') return unreadable(file, 'there is no such file', 'name one with --config')
  if (read.kind === 'refused') return unreadable(file, read.message, read.hint, read.line)
  const { env } = surroundings
  const document = readDocument(read.text, (text, path) => expandVariables(text, path, env))
  if (document.kind === 'unreadable') {
    const problems = document.findings.map((finding) => placed(finding, file, undefined))
    return { ok: false, problems: inOrder(problems), lines: maskedLines(read.text, 'unknown') }
  }
  if (document.value === null) {
    return unreadable(file, 'is empty', 'begin with "providers:" and "models:"', 1)
  }
  return judge(file, read.text, document, { ...surroundings, accounts })
}

function judge(
  file: string,
  text: string,
  document: ParsedDocument & { kind: 'read' },
  surroundings: Surroundings & SecretPlaces,
): LoadedConfig {
  const { env } = surroundings
  const schemaFindings = violations(document.value, document.findings)
  // A key that stands twice: the first one counts for the rest of the checks.
  const unread = document.findings.filter(({ place }) => place === undefined)
  const raw = pruned(document.value, [...unread, ...schemaFindings.filter(({ breaksShape }) => breaksShape)])
  const shapeFindings = [...document.findings, ...schemaFindings]
  const { hasFault } = indexFaults(shapeFindings)
  const { overrides, faults } = readOverrides(env)
  const effective = withOverrides(raw, overrides)
  const secrets = findSecrets(effective, surroundings, hasFault)
  const findings = [...shapeFindings, ...configFindings(effective, hasFault), ...secrets.findings]
  const problems = inOrder([
    ...faults.map((fault): Problem => ({ ...fault, file, line: 0, column: 0, hint: '', severity: 'error' })),
    ...findings.map((finding) => placed(finding, file, document.placeOf)),
  ])
  const ranges = [...secretPaths(configSchema, document.value, hasFault)].map(document.rangeOf)
  const lines = maskedLines(text, [...document.unread, ...ranges.filter((range) => range !== undefined)])
  if (problems.some((problem) => problem.severity === 'error')) return { ok: false, problems, lines }
  return { ok: true, config: resolve(effective, secrets.found), raw: effective, warnings: problems, lines }
}

function unreadable(file: string, message: string, hint: string, line = 0): LoadedConfig {
  const column = Math.min(line, 1)
  return {
    ok: false,
    problems: [{ file, line, column, path: '', message, hint, severity: 'error' }],
    lines: [],
  }
}

function placed(finding: Finding, file: string, placeOf: PlaceOf | undefined): Problem {
  const { path, message, hint = '', severity = 'error' } = finding
  const place = finding.place ?? placeOf?.(path, finding.at ?? 'value') ?? { line: 0, column: 0 }
  return { file, line: place.line, column: place.column, path: formatPath(path), message, hint, severity }
}

function inOrder(problems: Problem[]): Problem[] {
  return problems.sort((a, b) => a.line - b.line || a.column - b.column)
}

/** Reads every secret that the file refers to. */
function findSecrets(
  raw: RawConfig,
  places: SecretPlaces & Pick<Surroundings, 'withoutSecrets' | 'mayLackSecrets'>,
  hasFault: HasFault,
): { found: Map<RawSecret, Secret>; findings: Finding[] } {
  const found = new Map<RawSecret, Secret>()
  const findings: Finding[] = []
  for (const [path, reference] of secretReferences(raw)) {
    if (places.withoutSecrets === true || hasFault(path)) continue
    const result = findSecret(reference, places)
    if (result.kind === 'found') found.set(reference, result.secret)
    else if (places.mayLackSecrets === true) continue
    else if (result.kind === 'refused' || reference.optional !== true) {
      findings.push({ path, message: result.message, hint: result.hint })
    }
  }
  return { found, findings }
}

/** Every place of a configuration that refers to a secret. */
export function* secretReferences(raw: RawConfig): Generator<[Path, RawSecret]> {
  for (const [name, provider] of Object.entries(raw.providers ?? {})) {
    if (provider.api_key !== undefined) yield [['providers', name, 'api_key'], provider.api_key]
    for (const [header, value] of Object.entries(provider.headers ?? {})) {
      if (typeof value !== 'string') yield [['providers', name, 'headers', header], value]
    }
  }
}

/**
 * A copy without the values at fault, so that what is left has the shape of `RawConfig` (missing keys aside). A fault within a list empties the list: its indexes must stay those of the file.
 */
function pruned(value: unknown, findings: readonly Finding[]): RawConfig {
  const root = isMapping(value) ? copied(value) : {}
  for (const { path } of findings) prune(root, path)
  return root
}

function prune(root: Record<string, unknown>, path: Path): void {
  let at: Record<string, unknown> = root
  for (const [index, step] of path.entries()) {
    const key = String(step)
    const inner = at[key]
    if (Array.isArray(inner) && index < path.length - 1) at[key] = []
    if (index === path.length - 1) delete at[key]
    if (!isMapping(inner)) return
    at = inner
  }
}

function copied(mapping: Record<string, unknown>): Record<string, unknown> {
  const copy = Object.create(null) as Record<string, unknown>
  for (const [key, value] of Object.entries(mapping)) copy[key] = isMapping(value) ? copied(value) : value
  return copy
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
