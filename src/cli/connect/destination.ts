// Where clients find the gateway, and by which model: by the options, the configuration, and the gateway that runs.
import { isObject } from '../../bytes/json/parse.ts'
import { readConfigFile } from '../../config/config-file.ts'
import { defaults } from '../../config/defaults.ts'
import { isExampleFile } from '../../config/example-config.ts'
import { findConfigFile, packageAccounts, packagedConfigFile } from '../../config/find.ts'
import { type LoadedConfig, loadConfig, pruned } from '../../config/load.ts'
import type { RawConfig, RawModel } from '../../config/raw.ts'
import { violations } from '../../config/validate.ts'
import { readModelList } from '../../dialects/openai/model-list.ts'
import { get } from '../../outbound/get.ts'
import { systemAccounts } from '../../platform/ownership.ts'
import { printable } from '../../platform/printable.ts'
import { counted } from '../output.ts'
import type { Destination } from './client.ts'
import { namesForClients } from './model-names.ts'

export interface DestinationOptions {
  readonly config?: string | undefined
  readonly url?: string | undefined
  readonly model?: string | undefined
}

interface Invalid {
  readonly kind: 'invalid'
  readonly loaded: LoadedConfig & { readonly ok: false }
}

export type FoundDestination =
  | {
      readonly kind: 'found'
      readonly to: Destination
      readonly otherModels: readonly string[]
      /** What may be wrong, as clauses that end with a full stop. */
      readonly warnings: readonly string[]
    }
  | Invalid
  /** What is wrong, and what to do: sentences. */
  | { readonly kind: 'refused'; readonly message: string }

/** In characters: longer ones are refused in calls. */
const maxNameLength = 256
const listLimits = { maxBytes: 4_194_304, timeoutMs: 2_000 } as const

export async function findDestination(
  { config, url, model }: DestinationOptions,
  env: NodeJS.ProcessEnv,
): Promise<FoundDestination> {
  if (url !== undefined && model !== undefined) {
    const base = baseOf(url)
    if (base === undefined) return wrongUrl
    return { kind: 'found', to: { url: base, model, needsKey: false }, otherModels: [], warnings: [] }
  }
  const file = findConfigFile(config, env)
  const read = readFacts(file, env)
  if (read.kind === 'invalid') return read
  const { facts } = read
  const host = facts.hosts.find((each) => !each.includes(':')) ?? '[::1]'
  const own = `http://${host}:${facts.port}`
  const base = url === undefined ? own : baseOf(url)
  if (base === undefined) return wrongUrl
  const { needsKey } = facts
  const warnings = read.problems === 0 ? [] : [unfinished(file, read.problems)]
  if (model !== undefined) {
    const unknown = facts.names.some((name) => isNamed(name, model)) ? undefined : await warnOf(model, base)
    return {
      kind: 'found',
      to: { url: base, model, needsKey },
      otherModels: [],
      warnings: [...warnings, ...(unknown === undefined ? [] : [unknown])],
    }
  }
  // The models of the example are nobody's choice.
  const chosen = isExampleFile(file) ? [] : namesForClients(facts.models)
  const [first, ...otherModels] = chosen.length > 0 ? chosen : namesForClients(await listedModels(base))
  if (first === undefined) {
    const message =
      'No model is known that the client could use: the configuration names none, and no gateway that runs lists any. Name one with --model.'
    return { kind: 'refused', message }
  }
  return { kind: 'found', to: { url: base, model: first, needsKey }, otherModels, warnings }
}

const unfinished = (file: string, problems: number) =>
  `${printable(file)} has ${counted(problems, 'problem')}, which validate-config shows; the gateway does not start with it.`

/** A name of the configuration: a model, an alias, or the beginning of names. */
function isNamed(name: string, model: string): boolean {
  return name.endsWith('*') ? model.startsWith(name.slice(0, -1)) : name === model
}

/** Undefined where no gateway runs: a server that it would ask may have the model. */
async function warnOf(model: string, base: string): Promise<string | undefined> {
  const listed = await listedModels(base)
  const isKnown =
    listed.length === 0 || listed.some((each) => isNamed(each, model) || each === `${model}:latest`)
  if (isKnown) return undefined
  return `neither the configuration nor the gateway that runs has a model "${printable(model)}".`
}

/** What `connect` needs of a configuration. */
interface Facts {
  readonly hosts: readonly string[]
  readonly port: number
  readonly needsKey: boolean
  /** That a server answers, in the order of the file. */
  readonly models: readonly string[]
  /** With aliases and the beginnings of names. */
  readonly names: readonly string[]
}

/** A file that a gateway would not start with, for a variable that is not set here, is read as far as it goes. */
function readFacts(
  file: string,
  env: NodeJS.ProcessEnv,
): { readonly kind: 'read'; readonly facts: Facts; readonly problems: number } | Invalid {
  const loaded = loadConfig(file, { env, withoutSecrets: true, withoutPriceList: true })
  const accounts = file === packagedConfigFile() ? packageAccounts() : systemAccounts()
  const read = readConfigFile(file, env, accounts)
  if (read.kind !== 'read' || !isObject(read.document.value)) {
    return loaded.ok ? { kind: 'read', facts: factsOf({}), problems: 0 } : { kind: 'invalid', loaded }
  }
  const { value, problems } = read.document
  const facts = factsOf(pruned(value, [...problems, ...violations(value, problems)]))
  const errors = loaded.ok ? [] : loaded.problems.filter(({ severity }) => severity === 'error')
  return { kind: 'read', facts, problems: errors.length }
}

function factsOf({ server, keys, models = {}, providers = {} }: RawConfig): Facts {
  const { hosts = defaults.server.hosts, port = defaults.server.port } = server ?? {}
  const isEcho = (name: string | undefined) => name !== undefined && providers[name]?.kind === 'echo'
  const isAnswered = ({ provider, targets = [] }: RawModel) =>
    !isEcho(provider) && (targets.length === 0 || !targets.every((target) => isEcho(target.provider)))
  const entries = Object.entries(models)
  return {
    hosts,
    port,
    needsKey: keys?.mode === 'required' && keys.keyless_users?.includes('self') !== true,
    models: entries.filter(([, model]) => isAnswered(model)).map(([name]) => name),
    names: entries.flatMap(([name, { aliases = [] }]) => [name, ...aliases]),
  }
}

const wrongUrl: FoundDestination = {
  kind: 'refused',
  message: '--url must be the address of the gateway, such as http://127.0.0.1:4000.',
}

/** Without `/v1` at its end. */
function baseOf(url: string): string | undefined {
  const parsed = URL.parse(url)
  if (parsed === null || !['http:', 'https:'].includes(parsed.protocol)) return undefined
  if (parsed.username !== '' || parsed.password !== '' || parsed.search !== '' || parsed.hash !== '')
    return undefined
  return parsed.href.replace(/\/+$/, '').replace(/\/v1$/, '')
}

async function listedModels(base: string): Promise<string[]> {
  const outcome = await get(`${base}/v1/models`, listLimits)
  if ('fault' in outcome) return []
  const list = readModelList(Buffer.from(outcome.text), maxNameLength, (text) => text)
  return list?.models.map(({ id }) => id) ?? []
}
