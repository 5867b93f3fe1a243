// What Ollama reports of its models. https://docs.ollama.com/api
import type { KnownModel } from '../../domain.ts'
import { passesModelOn } from '../../platform/boundary.ts'
import { membersOf, parseJson } from '../../bytes/json/parse.ts'
import { countIn } from './count-in.ts'

/** The models, with their abilities and the context that they were trained with. */
export const tagsPath = '//api/tags'

/** Those that are loaded, with the context that they were loaded with. Neither loads a model. */
export const loadedPath = '//api/ps'

/** More are not read; a list of models has as many at most. */
const maxModels = 2_000

const defaultTag = ':latest'

/**
 * The models by each of their names, of the answers to both. Undefined: the first is no list of models.
 * @param abilitiesNamed what a complete list of words means.
 */
export function readOllamaModels(
  tags: Buffer,
  loaded: Buffer | undefined,
  abilitiesNamed: (words: readonly string[]) => KnownModel['takes'],
): ReadonlyMap<string, KnownModel> | undefined {
  const all = modelsIn(tags)
  if (all === undefined) return undefined
  const running = loaded && modelsIn(loaded)
  const models = new Map<string, KnownModel>()
  for (const [name, members] of all) {
    const capabilities = members['capabilities']
    const words = Array.isArray(capabilities) ? capabilities.filter((word) => typeof word === 'string') : []
    const known: KnownModel = {
      // Of a model that is not loaded it is what it can have at most.
      contextLength:
        countIn(running?.get(name) ?? {}, 'context_length') ??
        countIn(membersOf(members['details']), 'context_length'),
      takes: abilitiesNamed(words),
      state: running === undefined ? undefined : running.has(name) ? 'loaded' : 'unloaded',
    }
    models.set(name, known)
    if (name.endsWith(defaultTag)) models.set(name.slice(0, -defaultTag.length), known)
  }
  return models
}

/**
 * Why a prompt for a model leaves the server, or may leave it; undefined: Ollama runs the model itself. It marks those that it
 * passes on, and copies of them, with their host and name there (`ListModelResponse` in Ollama's api/types.go). A name that the list
 * lacks may be another form of one that it has.
 * @param tags undefined: there is no list.
 */
export function ollamaRefusalOf(tags: Buffer | undefined, model: string): string | undefined {
  const models = tags && modelsIn(tags)
  if (models === undefined) return `which may pass ${model} on: it returned no list of its models`
  // Ollama finds a model by its name in any case.
  const asked = withTag(model.toLowerCase())
  const found = [...models].filter(([name]) => withTag(name.toLowerCase()) === asked)
  if (found.length === 0) return `which may pass ${model} on: its list of models lacks it`
  const isMarked = found.some(([, { remote_host: host, remote_model: of }]) => isSet(host) || isSet(of))
  return isMarked ? passesModelOn(model) : undefined
}

/** Ollama leaves out what is empty. */
function isSet(member: unknown): boolean {
  return member !== undefined && member !== null && member !== ''
}

/** A name without a tag stands for its latest one. */
function withTag(name: string): string {
  return name.lastIndexOf(':') > name.lastIndexOf('/') ? name : name + defaultTag
}

function modelsIn(body: Buffer): ReadonlyMap<string, Readonly<Record<string, unknown>>> | undefined {
  const { models } = membersOf(parseJson(body))
  if (models === null) return new Map()
  if (!Array.isArray(models)) return undefined
  const entries = models.slice(0, maxModels).map((each: unknown) => membersOf(each))
  return new Map(entries.flatMap((each) => (typeof each['name'] === 'string' ? [[each['name'], each]] : [])))
}
