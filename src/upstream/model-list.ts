// What a provider answers to `GET /models`: OpenAI's list, as Ollama, vLLM, llama.cpp, LM Studio and the clouds write
// it. The names come from outside: they are checked here, and only then become names that clients can ask for.

/** A model as its provider names it. */
export interface ListedModel {
  /** What the provider is asked with. */
  readonly id: string
  /** Further names that mean the same. */
  readonly aliases: readonly string[]
}

export interface ModelList {
  /** Sorted by id; no name stands twice. */
  readonly models: readonly ListedModel[]
  /** Entries that are left out: without a usable name, or too many. */
  readonly skipped: number
}

/** A server that lists more is no model server, or one that nobody reads through. */
export const maxListedModels = 10_000

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
 * Undefined when the body is no list of models.
 * @param maxNameLength longer names are left out.
 * @param mask takes the provider's secrets out of a text; a name that it changes is left out.
 */
export function readModelList(
  body: Buffer,
  maxNameLength: number,
  mask: (text: string) => string,
): ModelList | undefined {
  const entries = entriesOf(body)
  if (entries === undefined) return undefined
  const isName = (name: unknown): name is string =>
    typeof name === 'string' && name.length <= maxNameLength && usable.test(name) && mask(name) === name
  const found = new Map<string, readonly string[]>()
  for (const entry of entries) {
    const { id, aliases } = membersOf(entry)
    if (!isName(id) || found.has(id) || found.size >= maxListedModels) continue
    const others: unknown[] = Array.isArray(aliases) ? aliases.slice(0, maxAliases) : []
    if (id.endsWith(defaultTag)) others.push(id.slice(0, -defaultTag.length))
    found.set(id, others.filter(isName))
  }
  if (found.size === 0 && entries.length > 0) return undefined
  const taken = new Set(found.keys())
  const models = [...found].sort(([one], [other]) => (one < other ? -1 : 1))
  return {
    models: models.map(([id, aliases]) => ({ id, aliases: aliases.filter((alias) => isNew(alias, taken)) })),
    skipped: entries.length - found.size,
  }
}

function isNew(name: string, taken: Set<string>): boolean {
  return !taken.has(name) && taken.add(name) !== undefined
}

/** The `data` of the list, or the list itself (Together). */
function entriesOf(body: Buffer): readonly unknown[] | undefined {
  let answer: unknown
  try {
    answer = JSON.parse(body.toString())
  } catch {
    return undefined
  }
  if (Array.isArray(answer)) return answer
  if (typeof answer !== 'object' || answer === null) return undefined
  const { data, object } = answer as { data?: unknown; object?: unknown }
  // Ollama without a single model.
  if (data === null && object === 'list') return []
  return Array.isArray(data) ? data : undefined
}

function membersOf(entry: unknown): { readonly id?: unknown; readonly aliases?: unknown } {
  return typeof entry === 'object' && entry !== null ? entry : {}
}
