// Lists of models: ours for `GET /v1/models`, and providers' as OpenAI, Ollama, vLLM, llama.cpp, LM Studio and the clouds
// write them. https://platform.openai.com/docs/api-reference/models

/** A model in the list for clients. `owner` is the provider that serves it. */
export function renderModel(id: string, owner: string): object {
  return { id, object: 'model', created: 0, owned_by: owner }
}

export function renderModelList(models: readonly object[]): object {
  return { object: 'list', data: models }
}

/** A model as its provider names it. */
export interface ListedModel {
  /** What the provider is asked with. */
  readonly id: string
  /** Further names that mean the same. */
  readonly aliases: readonly string[]
}

/** A provider's list whose names are checked: they may become names that clients can ask for. */
export interface ListedModels {
  /** Sorted by id; no name stands twice. */
  readonly models: readonly ListedModel[]
  /** Count of what is left out: entries without a usable name, and names beyond the bound. */
  readonly skipped: number
}

/**
 * Models and their further names together. The longest lists of brokers have some hundreds; each name costs time while
 * the route table is built, when no call is served, and a line of `GET /v1/models`.
 */
export const maxListedNames = 2_000

/** JSON values in the whole body. Reading more takes longer than calls may be held up; a broker's list has some thousand. */
const maxValues = 150_000

/** Further names of one model. */
const maxAliases = 16

/** Ollama appends this tag to a name without one (https://docs.ollama.com/api/introduction). */
const defaultTag = ':latest'

/**
 * No white space, no control and format characters, which hide or reverse text, and no halves of surrogate pairs, which
 * can't be written in a request; a `*` would look like a wildcard.
 */
const usable = /^[^\s\p{C}*]+$/u

/**
 * Undefined when the body is not a list of models.
 * @param maxNameLength longer names are left out.
 * @param mask takes the provider's secrets out of a text; a name that it changes is left out.
 */
export function readModelList(
  body: Buffer,
  maxNameLength: number,
  mask: (text: string) => string,
): ListedModels | undefined {
  const entries = hasMoreValues(body, maxValues) ? undefined : entriesOf(parse(body.toString()))
  if (entries === undefined) return undefined
  const isName = (name: unknown): name is string =>
    typeof name === 'string' && name.length <= maxNameLength && usable.test(name) && mask(name) === name
  const found = new Map<string, readonly string[]>()
  let room = maxListedNames
  let leftOut = 0
  for (const entry of entries) {
    if (room === 0) break
    const { id, aliases } = fields(entry)
    if (!isName(id) || found.has(id)) continue
    room -= 1
    const others: unknown[] = Array.isArray(aliases) ? aliases.slice(0, maxAliases) : []
    if (id.endsWith(defaultTag)) others.push(id.slice(0, -defaultTag.length))
    const names = new Set(others.filter(isName).filter((name) => name !== id))
    const taken = [...names].slice(0, room)
    room -= taken.length
    leftOut += names.size - taken.length
    found.set(id, taken)
  }
  if (found.size === 0 && entries.length > 0) return undefined
  const taken = new Set(found.keys())
  const models = [...found].sort(([one], [other]) => (one < other ? -1 : 1))
  return {
    models: models.map(([id, aliases]) => ({ id, aliases: aliases.filter((alias) => isNew(alias, taken)) })),
    skipped: entries.length - found.size + leftOut,
  }
}

function isNew(name: string, taken: Set<string>): boolean {
  return !taken.has(name) && taken.add(name) !== undefined
}

/** Each value but the first follows one of three characters; those within texts count too, which is as well. */
function hasMoreValues(json: Buffer, limit: number): boolean {
  let count = 0
  for (let at = 0; at < json.length && count <= limit; at++) {
    const byte = json[at]
    if (byte === comma || byte === bracket || byte === brace) count += 1
  }
  return count > limit
}

const [comma, bracket, brace] = [0x2c, 0x5b, 0x7b]

/** Every name that a provider offers, for people who compare them with their configuration. */
export interface OfferedModels {
  readonly names: readonly string[]
  /** The list is one page of several. */
  readonly isPartial: boolean
  readonly server: 'ollama' | 'llama.cpp' | 'vllm' | 'other'
}

/** Undefined when the text is not a list of models. Google's native list is read too. */
export function readOfferedModels(text: string): OfferedModels | undefined {
  const root = parse(text)
  const { models, data, has_more: hasMore, nextPageToken } = fields(root)
  const entries = entriesOf(root) ?? (data === undefined && Array.isArray(models) ? models : undefined)
  if (entries === undefined) return undefined
  const names = entries.map(nameOf).filter((name) => name !== undefined)
  if (names.length === 0 && entries.length > 0) return undefined
  const isPartial = hasMore === true || typeof nextPageToken === 'string'
  const server = data === null ? 'ollama' : serverOf(fields(entries[0])['owned_by'])
  return { names, isPartial, server }
}

/** Whether a configured name means one of these. Google's ids begin with `models/`. */
export function isOffered(model: string, names: readonly string[]): boolean {
  const forms = [model, `${model}${defaultTag}`, `models/${model}`]
  return names.some((name) => forms.includes(name))
}

function nameOf(entry: unknown): string | undefined {
  if (typeof entry === 'string') return entry
  const { id, name, model } = fields(entry)
  return [id, name, model].find((value) => typeof value === 'string' && value !== '') as string | undefined
}

function serverOf(owner: unknown): OfferedModels['server'] {
  if (owner === 'library') return 'ollama'
  if (owner === 'llamacpp') return 'llama.cpp'
  return owner === 'vllm' ? 'vllm' : 'other'
}

/** The `data` of the list, or the list itself (Together). */
function entriesOf(root: unknown): readonly unknown[] | undefined {
  if (Array.isArray(root)) return root
  const { data, object } = fields(root)
  // Ollama without a single model.
  if (data === null && object === 'list') return []
  return Array.isArray(data) ? data : undefined
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function fields(value: unknown): Readonly<Record<string, unknown>> {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  return isObject ? (value as Record<string, unknown>) : {}
}
