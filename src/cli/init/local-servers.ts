// The model servers that run on this machine, at the ports where they usually listen. Each is asked for its models, which loads none.
import { type ModelList, readModelList } from '../../dialects/openai/model-list.ts'
import { get } from '../../outbound/get.ts'
import { reachOf } from '../../platform/address-reach.ts'

/** A place where a server may listen. */
export interface UsualPlace {
  /** The program that usually listens there. */
  readonly title: string
  /** `127.0.0.1:11434`. */
  readonly address: string
}

export interface LocalServer {
  /** Of the provider: `ollama`, `llama-cpp`, … */
  readonly name: string
  /** The software, by what its list of models shows; by the place otherwise. */
  readonly title: string
  readonly baseUrl: string
  readonly kind: 'ollama' | 'llama_cpp' | 'vllm' | undefined
  readonly models: readonly string[]
}

/** Something that answers, and whose models cannot be read: with why, as a clause. */
interface UnreadableServer {
  readonly title: string
  readonly baseUrl: string
  readonly reason: string
}

export interface FoundServers {
  readonly servers: readonly LocalServer[]
  readonly unreadable: readonly UnreadableServer[]
}

/** In characters: longer ones are refused in calls. */
const maxNameLength = 256
const limits = { maxBytes: 4_194_304, timeoutMs: 1_500 } as const

/** @param env may name the address of Ollama (`OLLAMA_HOST`), as Ollama itself reads it. */
export function usualPlaces(env: NodeJS.ProcessEnv): UsualPlace[] {
  return [
    { title: 'Ollama', address: ollamaAddress(env['OLLAMA_HOST']) ?? '127.0.0.1:11434' },
    { title: 'llama.cpp', address: '127.0.0.1:8080' },
    { title: 'vLLM', address: '127.0.0.1:8000' },
    { title: 'LM Studio', address: '127.0.0.1:1234' },
  ]
}

/** Undefined where it leads to another machine: that one's owner has not asked for a gateway. */
function ollamaAddress(value: string | undefined): string | undefined {
  if (value === undefined || value === '') return undefined
  const url = URL.parse(value.includes('://') ? value : `http://${value}`)
  if (url === null || url.protocol !== 'http:') return undefined
  // What Ollama's server listens on stands there too.
  const host = url.hostname === '0.0.0.0' || url.hostname === 'localhost' ? '127.0.0.1' : url.hostname
  if (reachOf(host.replace(/^\[|\]$/g, '')) !== 'loopback') return undefined
  return `${host}:${url.port || '11434'}`
}

export async function findLocalServers(places: readonly UsualPlace[]): Promise<FoundServers> {
  const looks = await Promise.all(places.map((place) => look(place)))
  const servers: LocalServer[] = []
  for (const found of looks) {
    if (found === undefined || 'reason' in found) continue
    const same = servers.filter(({ title }) => title === found.title).length
    servers.push(same === 0 ? found : { ...found, name: `${found.name}-${same + 1}` })
  }
  const unreadable = looks.filter((found) => found !== undefined && 'reason' in found)
  return { servers, unreadable }
}

async function look({ title, address }: UsualPlace): Promise<LocalServer | UnreadableServer | undefined> {
  const baseUrl = `http://${address}/v1`
  const outcome = await get(`${baseUrl}/models`, limits)
  if ('fault' in outcome) {
    const asksForKey = /^status 40[13]$/.test(outcome.fault)
    return asksForKey ? { title, baseUrl, reason: 'it requires a key' } : undefined
  }
  const list = readModelList(Buffer.from(outcome.text), maxNameLength, (text) => text)
  if (list === undefined) return undefined
  const software = softwareOf(list, title)
  return { ...software, baseUrl, models: list.models.map(({ id }) => id) }
}

type Software = Pick<LocalServer, 'name' | 'title' | 'kind'>

const known: Readonly<Record<Exclude<ModelList['server'], 'other'>, Software>> = {
  ollama: { name: 'ollama', title: 'Ollama', kind: 'ollama' },
  'llama.cpp': { name: 'llama-cpp', title: 'llama.cpp', kind: 'llama_cpp' },
  'llama-swap': { name: 'llama-swap', title: 'llama-swap', kind: undefined },
  vllm: { name: 'vllm', title: 'vLLM', kind: 'vllm' },
}

function softwareOf({ server }: ModelList, usual: string): Software {
  if (server !== 'other') return known[server]
  const isLmStudio = usual === 'LM Studio'
  return {
    name: isLmStudio ? 'lmstudio' : 'local',
    title: isLmStudio ? usual : 'a model server',
    kind: undefined,
  }
}
