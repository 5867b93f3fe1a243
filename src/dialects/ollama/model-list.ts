// What Ollama's own API says of models, for its clients. What is not known has the value that clients take for nothing: they
// require most of the members. https://docs.ollama.com/api/tags
import { createHash } from 'node:crypto'
import { withTag } from '../../platform/loose-names.ts'

/** A model as clients see it. */
export interface OllamaModel {
  readonly name: string
  /** Tokens of prompt and answer together. Absent: not known. */
  readonly contextLength?: number | undefined
  /** What it is not known to lack: `text`, `image`, `tools`, `thinking`, `embedding`. Absent: nothing is known. */
  readonly abilities?: ReadonlySet<string> | undefined
  /** When it was made, Unix time in seconds. Absent: not known. */
  readonly created?: number | undefined
}

/** The version of Ollama whose API this is: clients refuse to work with an older one than they need. */
export const ollamaVersion = '0.13.5'

/** Go's time for none, which clients print as `never`. */
const noTime = '0001-01-01T00:00:00Z'

/**
 * When a server takes a model out of its memory: not known. A time that has passed would mean that it is about to, and one far
 * away is how Ollama writes that it will not; its program prints `Forever`.
 */
const endlessTime = '2300-01-01T00:00:00Z'

/** No more than that some server makes it; the architecture names the members of `model_info`. */
const architecture = 'unknown'

const capabilityNames: ReadonlyMap<string, string> = new Map([
  ['audio', 'audio'],
  ['image', 'vision'],
  ['tools', 'tools'],
  ['thinking', 'thinking'],
])

/** Of a model of which nothing is known: calls pass with their tools, and it is for its server to accept them. */
const assumed = ['completion', 'tools']

export function renderTags(models: readonly OllamaModel[]): object {
  return {
    models: models.map((model) => ({ ...entryOf(model), capabilities: capabilitiesOf(model) })),
  }
}

/** @param models those that are in the memory of a server. */
export function renderRunning(models: readonly OllamaModel[]): object {
  return {
    models: models.map((model) => {
      const { contextLength } = model
      return {
        ...entryOf(model),
        expires_at: endlessTime,
        size_vram: 0,
        ...(contextLength !== undefined && { context_length: contextLength }),
      }
    }),
  }
}

/** Never the file that a model was made from: it has paths of the server. */
export function renderShow(model: OllamaModel): object {
  const { contextLength } = model
  const { details, modified_at } = entryOf(model)
  return {
    parameters: '',
    template: '',
    details,
    model_info: {
      'general.architecture': architecture,
      'general.basename': model.name,
      ...(contextLength !== undefined && { [`${architecture}.context_length`]: contextLength }),
    },
    capabilities: capabilitiesOf(model),
    modified_at,
  }
}

/** With a tag, as all of Ollama's names: Open WebUI before 0.8 adds it to a name that has none, and then looks for it in the list. */
function entryOf({ name, contextLength, created }: OllamaModel) {
  const full = withTag(name)
  return {
    name: full,
    model: full,
    modified_at: created === undefined ? noTime : new Date(created * 1_000).toISOString(),
    size: 0,
    digest: digestOf(name),
    details: {
      parent_model: '',
      format: '',
      family: '',
      families: [],
      parameter_size: '',
      quantization_level: '',
      ...(contextLength !== undefined && { context_length: contextLength }),
    },
  }
}

/** Of the name, because that of the weights is not known: clients tell models apart by it, and print its beginning. */
function digestOf(name: string): string {
  return createHash('sha256').update(name).digest('hex')
}

function capabilitiesOf({ abilities }: OllamaModel): readonly string[] {
  if (abilities === undefined) return assumed
  if (abilities.has('embedding') && !abilities.has('text')) return ['embedding']
  // No model both answers and embeds: of such a set only the inputs are known, and what nothing is known of is not claimed.
  const isVague = abilities.has('embedding')
  const more = [...capabilityNames]
    .filter(([ability]) => abilities.has(ability) && !(isVague && ability === 'thinking'))
    .map(([, name]) => name)
  return ['completion', ...more]
}
