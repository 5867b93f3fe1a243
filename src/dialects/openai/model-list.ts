// What a provider answers to `GET /models`: OpenAI's list, as Ollama, vLLM, llama.cpp, LM Studio and the clouds write
// it. The names come from outside: they are checked here, and only then become names that clients can ask for. And our
// own list, for clients.
import { type JsonObject, membersOf, parseJson } from '../../bytes/json/parse.ts'
import type { ListedModel, ModelFacts } from '../../domain.ts'
import { factsIn } from './listed-facts.ts'

export interface ModelList {
  /** Sorted by id; no name stands twice. */
  readonly models: readonly ListedModel[]
  /** Number of ignored entries: those without a usable name, and names beyond the limit. */
  readonly skipped: number
  /** The response is one page of several, or has more names than are read. */
  readonly isPartial: boolean
  /** The software that wrote the list, as far as its entries tell. */
  readonly server: 'ollama' | 'llama.cpp' | 'llama-swap' | 'vllm' | 'other'
}

/**
 * Limit of models and their further names together. The longest lists of brokers have some hundreds. Each name costs time
 * in which no call is served when the route table is built, and an entry of `GET /v1/models`.
 */
export const maxListedNames = 2_000

/** Limit of JSON values in the response: reading more would block calls for too long. A broker's list has some thousand. */
const maxValues = 150_000

/** Further names of one model. */
const maxAliases = 16

/** Ollama's name for a model without a tag is the one with this tag (https://docs.ollama.com/api/introduction). */
const defaultTag = ':latest'

/**
 * No white space, no control and format characters, which hide or turn text round, and no halves of surrogate pairs,
 * which can't be written in a request; a `*` would look like a wildcard.
 */
const usable = /^[^\s\p{C}*]+$/u

/**
 * Undefined if the body is not a list of models.
 * @param maxNameLength longer names are ignored.
 * @param mask removes the provider's secrets from a text; a name that it changes is ignored.
 */
export function readModelList(
  body: Buffer,
  maxNameLength: number,
  mask: (text: string) => string,
): ModelList | undefined {
  const list = hasMoreValues(body, maxValues) ? undefined : parseJson(body)
  const entries = entriesOf(list)
  if (entries === undefined) return undefined
  const isName = (name: unknown): name is string =>
    typeof name === 'string' && name.length <= maxNameLength && usable.test(name) && mask(name) === name
  const factsOf = (members: JsonObject) => {
    const facts = factsIn(members)
    const text = JSON.stringify(facts)
    return facts !== undefined && mask(text) === text ? facts : undefined
  }
  const found = new Map<string, { aliases: readonly string[]; facts: ModelFacts | undefined }>()
  let namesLeft = maxListedNames
  let droppedNames = 0
  for (const entry of entries) {
    if (namesLeft === 0) break
    const members = membersOf(entry)
    const { id } = members
    if (!isName(id) || found.has(id)) continue
    namesLeft -= 1
    const others = aliasesIn(members)
    if (id.endsWith(defaultTag)) others.push(id.slice(0, -defaultTag.length))
    const names = new Set(others.filter(isName).filter((name) => name !== id))
    const kept = [...names].slice(0, namesLeft)
    namesLeft -= kept.length
    droppedNames += names.size - kept.length
    found.set(id, { aliases: kept, facts: factsOf(members) })
  }
  if (found.size === 0 && entries.length > 0) return undefined
  const kept = new Set(found.keys())
  const server = serverOf(list, entries)
  const models = [...found].sort(([one], [other]) => (one < other ? -1 : 1))
  return {
    models: models.map(([id, { aliases, facts }]) => ({
      id,
      aliases: aliases.filter((alias) => isNew(alias, kept)),
      ...(facts && { facts }),
      ...(server === 'ollama' && { hasLooseName: true }),
    })),
    skipped: entries.length - found.size + droppedNames,
    isPartial: membersOf(list)['has_more'] === true || namesLeft === 0,
    server,
  }
}

/** The pages of one list, as one; within the limit of names. */
export function joinedLists(pages: readonly ModelList[]): ModelList {
  const byId = new Map(pages.flatMap(({ models }) => models.map((model) => [model.id, model] as const)))
  const sorted = [...byId.values()].toSorted((one, other) => (one.id < other.id ? -1 : 1))
  const models = sorted.slice(0, maxListedNames)
  const skipped = pages.reduce((sum, page) => sum + page.skipped, sorted.length - models.length)
  const { isPartial, server } = pages.at(-1)!
  return { models, skipped, isPartial: isPartial || sorted.length > models.length, server }
}

/** llama.cpp's and llama-swap's. */
function aliasesIn({ aliases, meta }: JsonObject): unknown[] {
  const { aliases: swapped } = membersOf(membersOf(meta)['llamaswap'])
  return [aliases, swapped]
    .flatMap((each): unknown[] => (Array.isArray(each) ? each : []))
    .slice(0, maxAliases)
}

function isNew(name: string, kept: Set<string>): boolean {
  return !kept.has(name) && kept.add(name) !== undefined
}

/** The `data` of the list, or the list itself (Together). */
function entriesOf(list: unknown): readonly unknown[] | undefined {
  if (Array.isArray(list)) return list
  const { data, object } = membersOf(list)
  // Ollama without a single model.
  if (data === null && object === 'list') return []
  return Array.isArray(data) ? data : undefined
}

function serverOf(list: unknown, entries: readonly unknown[]): ModelList['server'] {
  const { owned_by: owner } = membersOf(entries[0])
  if (owner === 'library' || membersOf(list)['data'] === null) return 'ollama'
  if (owner === 'llamacpp') return 'llama.cpp'
  if (owner === 'llama-swap') return 'llama-swap'
  return owner === 'vllm' ? 'vllm' : 'other'
}

/** Each value but the first follows one of three characters; those within texts count too, which does no harm. */
function hasMoreValues(json: Buffer, limit: number): boolean {
  let count = 0
  for (let at = 0; at < json.length && count <= limit; at++) {
    const byte = json[at]
    if (byte === comma || byte === bracket || byte === brace) count += 1
  }
  return count > limit
}

const [comma, bracket, brace] = [0x2c, 0x5b, 0x7b]

/** A model in the gateway's list. `owner` is the provider that serves it, and has given the facts. */
export function renderModel(id: string, owner: string, facts: ModelFacts = {}): object {
  return { id, object: 'model', created: 0, owned_by: owner, ...facts }
}

export function renderModelList(models: readonly object[]): object {
  return { object: 'list', data: models }
}
