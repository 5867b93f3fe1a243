// What `GET /models` of a provider says, in the shapes in which servers say it, and what of it the configuration needs.
import { closestName } from '../../did-you-mean.ts'
import { shellWord } from '../../shell-word.ts'
import { type Finding, shortened } from './finding.ts'

export interface ModelList {
  readonly names: readonly string[]
  /** There are more: the answer is one page of several, or was cut. */
  readonly isPartial: boolean
  readonly server: 'ollama' | 'llama.cpp' | 'vllm' | 'other'
}

/** Undefined when the text is no list of models. OpenAI's form is `{data: [{id}]}`; Together's is a bare array. */
export function parseModelList(text: string): ModelList | undefined {
  const root = parse(text)
  const { data, models } = fields(root)
  const list = Array.isArray(root) ? root : data === undefined ? models : data
  // Ollama without a model sends `data: null`.
  if (list === null && fields(root)['object'] === 'list')
    return { names: [], isPartial: false, server: 'ollama' }
  if (!Array.isArray(list)) return undefined
  const items: unknown[] = list
  const names = items.map(nameOf).filter((name) => name !== undefined)
  if (names.length === 0 && items.length > 0) return undefined
  const { has_more: hasMore, nextPageToken } = fields(root)
  const isPartial = hasMore === true || typeof nextPageToken === 'string'
  const owner = fields(items[0])['owned_by']
  return { names, isPartial, server: serverOf(owner) }
}

/** Ollama's `NAME` is `NAME:latest`; Google's ids begin with `models/`. */
export function hasModel({ names }: ModelList, model: string): boolean {
  const forms = [model, `${model}:latest`, `models/${model}`]
  return names.some((name) => forms.includes(name))
}

/** llama.cpp serves the one model that it was started with, whatever name is asked for. */
function takesAnyName({ server, names }: ModelList): boolean {
  return server === 'llama.cpp' && names.length === 1
}

/**
 * @param models that the configuration asks this provider for.
 * @param answered the one of them that has answered a call, listed or not.
 */
export function modelFindings(
  models: readonly string[],
  list: ModelList,
  answered: string | undefined,
): Finding[] {
  const subject = 'models'
  if (takesAnyName(list)) {
    const detail = `llama.cpp serves ${shortened(list.names[0]!, 80)} by any name`
    return [{ subject, state: 'ok', detail }]
  }
  const missing = models.filter((model) => !hasModel(list, model) && model !== answered)
  if (missing.length > 0) return missing.map((model) => missingModel(model, list))
  const detail =
    models.length === 0 ? 'the configuration names none' : `${models.length} of ${models.length} are there`
  return [{ subject, state: 'ok', detail, figures: { offered: list.names.length } }]
}

function missingModel(model: string, { names, isPartial, server }: ModelList): Finding {
  const near = closestName(model, names)
  const first = names.slice(0, 5).map((name) => shortened(name, 60))
  const offers =
    names.length === 0
      ? 'it has none'
      : `it has ${first.join(', ')}${names.length > 5 ? `, … (${names.length})` : ''}`
  const absent = near === undefined ? `not there; ${offers}` : `not there; it has ${shortened(near, 60)}`
  const name = near === undefined ? 'a name that it has' : `model: ${JSON.stringify(near)}`
  const rename = `write ${name} in the configuration`
  const pull = `ollama pull ${shellWord(model)}`
  return {
    subject: `model ${model}`,
    state: isPartial ? 'warn' : 'fail',
    detail: isPartial ? 'not on the first page of its list' : absent,
    fix: server !== 'ollama' ? rename : near === undefined ? pull : `${pull}   # or ${rename}`,
    figures: { model },
  }
}

function nameOf(item: unknown): string | undefined {
  if (typeof item === 'string') return item
  const { id, name, model } = fields(item)
  return [id, name, model].find((value) => typeof value === 'string' && value !== '') as string | undefined
}

function serverOf(owner: unknown): ModelList['server'] {
  if (owner === 'library') return 'ollama'
  if (owner === 'llamacpp') return 'llama.cpp'
  return owner === 'vllm' ? 'vllm' : 'other'
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function fields(value: unknown): Readonly<Record<string, unknown>> {
  const isFields = typeof value === 'object' && value !== null && !Array.isArray(value)
  return isFields ? (value as Record<string, unknown>) : {}
}
