// File and environment → a configuration, or all of its problems at once, each with its position. Nothing is loaded in
// part: with a single error anywhere, including a missing secret, there is no configuration.
import { existsSync } from 'node:fs'

import { isObject } from '../bytes/json/parse.ts'
import { isMappedHere, systemUsers, type UnixUsers } from '../platform/unix-users.ts'
import { configProblems } from './check.ts'
import { notifyReferences, notifySecretProblems } from './check-notify.ts'
import { findStoreCa, storeReferences, storeSecretProblems } from './check-store.ts'
import { type ConfigFile, readConfigFile, readConfigText } from './config-file.ts'
import type { ReadDocument } from './document.ts'
import { readOverrides, withHome, startedBy, withOverrides } from './environment.ts'
import { findTransport } from './log-transport.ts'
import { maskedLines } from './masked-lines.ts'
import {
  indexProblems,
  located,
  type HasProblem,
  type Path,
  type PathProblem,
  type Problem,
} from './problems.ts'
import type { RawConfig, RawSecret } from './raw.ts'
import { findPriceList } from './price-file.ts'
import { findProxies } from './proxy.ts'
import { resolve } from './resolve.ts'
import { loadValidator } from './schema/load-validator.ts'
import { secretPaths } from './secret-paths.ts'
import { isSecretName, secretFile } from '../vault/secret-files.ts'
import { findSecret, type SecretSources } from './secrets.ts'
import { hasPseudonyms, pseudonymKeyReference, storedNames, storedSigningKey } from './stored-names.ts'
import { type OpenedSecrets, openSecrets, secretPlaces } from './stored-secrets.ts'
import { systemAccounts, type Accounts } from '../platform/ownership.ts'
import type { Config } from './types.ts'
import type { Secret } from './secret.ts'
import { violations } from './validate.ts'

/** What a configuration depends on besides its file. */
export interface LoadOptions {
  /** Source of overrides, `${NAME}` and secrets. */
  readonly env: NodeJS.ProcessEnv
  /** Default: the system's accounts. */
  readonly accounts?: Accounts
  /** The machine's accounts by name. Default: the system's. */
  readonly users?: UnixUsers
  /** Do not read secrets, for users who cannot; everything else is checked. */
  readonly withoutSecrets?: boolean
  /** Do not read the list of prices, for the command that writes it. */
  readonly withoutPriceList?: boolean
  /** Names of credentials that only the service receives: their secrets may be absent here. */
  readonly storedCredentials?: ReadonlySet<string>
  /** Read the secrets that can be read, and do not report the others: the caller judges each of them. */
  readonly mayLackSecrets?: boolean
  /** Read the key that signs the keys of clients, which commands alone do: the gateway must not have it. */
  readonly withSigningKey?: boolean | undefined
  /** Whether systemd runs this machine (sd_booted(3)). Default: whether its directory exists. */
  readonly hasServiceManager?: boolean
}

export type LoadedConfig =
  /** `lines` as below; empty if there are no warnings. */
  | { ok: true; config: Config; raw: RawConfig; warnings: Problem[]; lines: string[] }
  /** `lines` are the file's, with everything masked that may be a secret; empty if it could not be read. */
  | { ok: false; problems: Problem[]; lines: string[] }

/** As `loadConfig`, for those who need the values of secrets: the stored ones that the file refers to are opened first. */
export async function openConfig(file: string, options: LoadOptions): Promise<LoadedConfig> {
  const accounts = options.accounts ?? systemAccounts()
  const read = readConfigFile(file, options.env, accounts)
  if (read.kind !== 'read' || options.withoutSecrets === true) {
    return judge(file, read, { ...options, accounts })
  }
  const { env, withSigningKey } = options
  const stored = await openStored(file, read.document, { env, accounts, withSigningKey })
  return judge(file, read, { ...options, accounts, stored })
}

/** Opens the stored secrets that a document refers to. Keys at fault are left out: they are problems of their own. */
export async function openStored(
  file: string,
  { value, problems }: ReadDocument,
  sources: SecretSources & Pick<LoadOptions, 'withSigningKey'>,
): Promise<OpenedSecrets> {
  const signing = sources.withSigningKey === true ? storedSigningKey(value) : undefined
  const names = [...storedNames(value), signing].filter(
    (name) => name !== undefined && isSecretName(name),
  ) as string[]
  if (names.length === 0) return new Map()
  const violated = violations(value, problems).filter(({ breaksShape }) => breaksShape)
  const raw = pruned(value, violated)
  return openSecrets(names, secretPlaces(raw.secrets, file, sources.env), sources)
}

/** The files of the stored secrets that a configuration refers to. */
export function storedSecretFiles(raw: RawConfig, file: string, env: NodeJS.ProcessEnv): string[] {
  const { directory } = secretPlaces(raw.secrets, file, env)
  return [...new Set(storedNames(raw))].filter(isSecretName).map((name) => secretFile(directory, name))
}

/** Opens the stored secrets that a configuration without problems refers to. */
export async function openReferenced(
  raw: RawConfig,
  file: string,
  sources: SecretSources,
): Promise<OpenedSecrets> {
  const names = [...secretReferences(raw)].flatMap(([, { secret }]) => secret ?? [])
  return openSecrets(names, secretPlaces(raw.secrets, file, sources.env), sources)
}

/** Loads a configuration file; stored secrets count as absent. Expected faults of any kind are problems; nothing is thrown for them. */
export function loadConfig(file: string, options: LoadOptions): LoadedConfig {
  const accounts = options.accounts ?? systemAccounts()
  return judge(file, readConfigFile(file, options.env, accounts), { ...options, accounts })
}

/** As `loadConfig`, for the text that a command is about to write to `file`. */
export function checkConfigText(file: string, text: string, options: LoadOptions): LoadedConfig {
  const accounts = options.accounts ?? systemAccounts()
  return judge(file, readConfigText(file, text, options.env), { ...options, accounts })
}

function judge(file: string, read: ConfigFile, options: LoadOptions & SecretSources): LoadedConfig {
  switch (read.kind) {
    case 'refused':
      return { ok: false, problems: [read.problem], lines: [] }
    case 'invalid-yaml':
      return { ok: false, problems: inOrder(read.problems), lines: read.lines }
    case 'read':
      if (read.document.value === null)
        return { ok: false, problems: [located(isEmpty, file, undefined)], lines: [] }
      if (isOfLiteLlm(read.document.value)) {
        const problem = located(ofLiteLlm, file, read.document.positionOf)
        return { ok: false, problems: [problem], lines: maskedLines(read.text, 'unknown') }
      }
      return checkDocument(file, read.text, read.document, options)
    default:
      return read satisfies never
  }
}

const isEmpty: PathProblem = {
  path: [],
  message: 'is empty',
  hint: 'begin with "providers:" and "models:"',
  position: { line: 1, column: 1 },
}

/** Its other keys would only repeat that. */
const ofLiteLlm: PathProblem = {
  path: ['model_list'],
  message: 'this is a configuration file of LiteLLM, not of llm-gateway',
  hint: 'llm-gateway import FILE writes one of ours from it',
  at: 'key',
}

function isOfLiteLlm(value: unknown): boolean {
  return isObject(value) && 'model_list' in value && !('providers' in value || 'models' in value)
}

function checkDocument(
  file: string,
  text: string,
  document: ReadDocument,
  options: LoadOptions & SecretSources,
): LoadedConfig {
  const violated = violations(document.value, document.problems)
  // Of a key that stands twice the first value counts for the other checks.
  const unread = document.problems.filter(({ position }) => position === undefined)
  const raw = pruned(document.value, [...unread, ...violated.filter(({ breaksShape }) => breaksShape)])
  const { hasProblem } = indexProblems([...document.problems, ...violated])
  const { overrides, faults } = readOverrides(options.env)
  const effective = withHome(withOverrides(raw, overrides), options.env)
  const localUsers = {
    users: options.users ?? systemUsers(),
    ownUid: options.accounts.uid,
    isMapped: isMappedHere,
  }
  const secrets = findSecrets(effective, options, hasProblem)
  const proxies = findProxies(effective, options.env, hasProblem)
  const transport = effective.logging?.transport?.target
  const found = transport === undefined ? undefined : findTransport(transport, file, options.accounts)
  const prices =
    options.withoutPriceList === true
      ? ({ kind: 'none' } as const)
      : findPriceList(effective, file, options.accounts)
  const ca = findStoreCa(effective, options.accounts)
  const inFile = [
    ...document.problems,
    ...violated,
    ...configProblems(effective, hasProblem, {
      accounts: localUsers,
      hasServiceManager: options.hasServiceManager ?? existsSync('/run/systemd/system'),
      startedBy: startedBy(options.env, process.pid),
    }),
    ...secrets.problems,
    ...notifySecretProblems(effective, secrets.found),
    ...storeSecretProblems(effective, secrets.found),
    ...(ca.kind === 'refused' ? [ca] : []),
    ...proxies.problems,
    ...(found?.kind === 'refused' ? [{ path: ['logging', 'transport', 'target'], ...found }] : []),
    ...(prices.kind === 'refused' ? [{ path: ['prices', 'file'], ...prices }] : []),
  ]
  const problems = inOrder([
    ...[...faults, ...proxies.faults].map((fault): Problem => ({
      ...fault,
      file,
      line: 0,
      column: 0,
      hint: '',
      severity: 'error',
    })),
    ...inFile.map((problem) => located(withReference(problem, text, document), file, document.positionOf)),
  ])
  const lines = problems.length === 0 ? [] : linesOf(text, document, hasProblem)
  if (problems.some(({ severity }) => severity === 'error')) return { ok: false, problems, lines }
  const target = found?.kind === 'found' ? found.target : undefined
  const ownPrices = prices.kind === 'found' ? { file: prices.file, text: prices.text } : undefined
  const storeCa = ca.kind === 'found' ? ca.pem : undefined
  const config = resolve(effective, secrets.found, target, proxies.found, ownPrices, storeCa)
  return { ok: true, config, raw: effective, warnings: problems, lines }
}

/** The lines of a file, with everything masked that may be a secret. */
function linesOf(text: string, { value, unread, rangeOf }: ReadDocument, hasProblem: HasProblem): string[] {
  const ranges = [...secretPaths(loadValidator().configSchema, value, hasProblem)].map(rangeOf)
  return maskedLines(text, [...unread, ...ranges.filter((range) => range !== undefined)])
}

/** Where the file has `api_key: ${NAME}`, the reference to write in its place. */
function withReference(problem: PathProblem, text: string, { rangeOf }: ReadDocument): PathProblem {
  const { path } = problem
  if (path[0] !== 'providers' || path[2] !== 'api_key' || path.length !== 3) return problem
  const name = /^(["']?)\$\{([A-Za-z_][A-Za-z0-9_]*)\}\1$/.exec(text.slice(...(rangeOf(path) ?? [0, 0])))?.[2]
  return name === undefined ? problem : { ...problem, hint: `write { env: ${name} }` }
}

function inOrder(problems: Problem[]): Problem[] {
  return problems.sort((a, b) => a.line - b.line || a.column - b.column)
}

/** Reads every secret that the file refers to. */
function findSecrets(
  raw: RawConfig,
  options: SecretSources &
    Pick<LoadOptions, 'withoutSecrets' | 'withSigningKey' | 'mayLackSecrets' | 'storedCredentials'>,
  hasProblem: HasProblem,
): { found: Map<RawSecret, Secret>; problems: PathProblem[] } {
  const found = new Map<RawSecret, Secret>()
  const problems: PathProblem[] = []
  const signingKey = raw.rate_limit_settings?.store?.sign_keys_with
  for (const [path, reference] of secretReferences(raw)) {
    if (options.withoutSecrets === true || hasProblem(path)) continue
    if (reference === signingKey && options.withSigningKey !== true) continue
    const result = findSecret(reference, options)
    if (result.kind === 'found') found.set(reference, result.secret)
    else if (options.mayLackSecrets === true) continue
    else if (result.kind === 'absent' && isForService(result.credential ?? reference.credential, options))
      continue
    else if (result.kind === 'refused' || reference.optional !== true) {
      problems.push({ path, message: result.message, hint: result.hint })
    }
  }
  return { found, problems }
}

/** Whether only the service receives this credential. */
function isForService(
  credential: string | undefined,
  { storedCredentials }: Pick<LoadOptions, 'storedCredentials'>,
): boolean {
  return credential !== undefined && storedCredentials?.has(credential) === true
}

/** Every reference to a secret in a configuration, with its path. */
export function* secretReferences(raw: RawConfig): Generator<[Path, RawSecret]> {
  for (const [name, provider] of Object.entries(raw.providers ?? {})) {
    if (provider.api_key !== undefined) yield [['providers', name, 'api_key'], provider.api_key]
    for (const [header, value] of Object.entries(provider.headers ?? {})) {
      if (typeof value !== 'string') yield [['providers', name, 'headers', header], value]
    }
  }
  for (const [header, value] of Object.entries(raw.tracing?.headers ?? {})) {
    if (typeof value !== 'string') yield [['tracing', 'headers', header], value]
  }
  yield* storeReferences(raw)
  yield* notifyReferences(raw)
  if (hasPseudonyms(raw)) yield [['usage', 'client_names'], pseudonymKeyReference]
}

/**
 * A copy without the values at fault, so that the rest has the shape of `RawConfig` (missing keys aside). A fault within
 * a list empties the list, whose indexes must stay those of the file.
 */
export function pruned(value: unknown, problems: readonly PathProblem[]): RawConfig {
  const root = isObject(value) ? copied(value) : {}
  for (const { path } of problems) prune(root, path)
  return root
}

function prune(root: Record<string, unknown>, path: Path): void {
  let parent: Record<string, unknown> = root
  for (const [index, step] of path.entries()) {
    const key = String(step)
    const inner = parent[key]
    if (Array.isArray(inner) && index < path.length - 1) parent[key] = []
    if (index === path.length - 1) delete parent[key]
    if (!isObject(inner)) return
    parent = inner
  }
}

function copied(mapping: Record<string, unknown>): Record<string, unknown> {
  const copy = Object.create(null) as Record<string, unknown>
  for (const [key, value] of Object.entries(mapping)) copy[key] = isObject(value) ? copied(value) : value
  return copy
}
