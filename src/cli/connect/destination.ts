// Where clients find the gateway, and by which model: by the options, the configuration, and the gateway that runs.
import { findConfigFile, packagedConfigFile } from '../../config/find.ts'
import { type LoadedConfig, loadConfig } from '../../config/load.ts'
import { readModelList } from '../../dialects/openai/model-list.ts'
import { get } from '../../outbound/get.ts'
import type { Destination } from './client.ts'
import { namesForClients } from './model-names.ts'

export interface DestinationOptions {
  readonly config?: string | undefined
  readonly url?: string | undefined
  readonly model?: string | undefined
}

export type FoundDestination =
  | { readonly kind: 'found'; readonly to: Destination; readonly otherModels: readonly string[] }
  | { readonly kind: 'invalid'; readonly loaded: LoadedConfig & { readonly ok: false } }
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
    return { kind: 'found', to: { url: base, model, needsKey: false }, otherModels: [] }
  }
  const file = findConfigFile(config, env)
  const loaded = loadConfig(file, { env, withoutSecrets: true, withoutPriceList: true })
  if (!loaded.ok) return { kind: 'invalid', loaded }
  const { server, keys, models, providers } = loaded.config
  const host = server.hosts.find((each) => !each.includes(':')) ?? '[::1]'
  const own = `http://${host}:${server.port}`
  const base = url === undefined ? own : baseOf(url)
  if (base === undefined) return wrongUrl
  const needsKey = keys.mode === 'required' && !keys.keylessUsers.includes('self')
  if (model !== undefined) return { kind: 'found', to: { url: base, model, needsKey }, otherModels: [] }
  const configured = [...models.values()]
    .filter(({ targets }) => targets.some(({ provider }) => providers.get(provider)?.kind !== 'echo'))
    .map(({ name }) => name)
  // The models of the example are nobody's choice.
  const chosen = file === packagedConfigFile() ? [] : namesForClients(configured)
  const [first, ...otherModels] = chosen.length > 0 ? chosen : namesForClients(await listedModels(base))
  if (first === undefined) {
    const message =
      'No model is known that the client could use: the configuration names none, and no gateway that runs lists any. Name one with --model.'
    return { kind: 'refused', message }
  }
  return { kind: 'found', to: { url: base, model: first, needsKey }, otherModels }
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
