// Compares the models that a provider lists with those that the configuration asks it for.
import type { HttpProvider } from '../../config/provider-types.ts'
import { closestName } from '../../platform/did-you-mean.ts'
import { shellWord } from '../../platform/shell-word.ts'
import { contextLengthOf } from '../../dialects/model-facts.ts'
import type { ModelList } from '../../dialects/openai/model-list.ts'
import { type Finding, shortened } from './finding.ts'

/** Whether the list has the model, under its name or an alias. Google's ids begin with `models/`. */
export function hasModel({ models }: ModelList, model: string): boolean {
  const forms = [model, `models/${model}`]
  return models.some(({ id, aliases }) => forms.includes(id) || aliases.includes(model))
}

/** llama.cpp serves the one model that it was started with, whatever name a call uses. */
function acceptsAnyName({ server, models }: ModelList): boolean {
  return server === 'llama.cpp' && models.length === 1
}

/**
 * @param models the names that the configuration uses at this provider.
 * @param called the one of them that has answered a call, listed or not.
 */
export function modelFindings(
  models: readonly string[],
  list: ModelList,
  called: string | undefined,
): Finding[] {
  const subject = 'models'
  if (acceptsAnyName(list)) {
    const detail = `llama.cpp serves ${shortened(list.models[0]!.id, 80)} under any name`
    return [{ subject, state: 'ok', detail }]
  }
  const missing = models.filter((model) => !hasModel(list, model) && model !== called)
  if (missing.length > 0) return missing.map((model) => missingModel(model, list))
  const detail =
    models.length === 0 ? 'the configuration uses none' : `${models.length} of ${models.length} are available`
  return [{ subject, state: 'ok', detail, figures: { offered: list.models.length } }]
}

/** @param configured of the provider, in tokens; it counts before what the list says. */
export function contextFindings(
  models: readonly string[],
  { models: listed }: ModelList,
  configured: number | undefined,
): Finding[] {
  const known = models.flatMap((model) => {
    const entry = listed.find(({ id, aliases }) => id === model || aliases.includes(model))
    const reported = entry?.facts && contextLengthOf(entry.facts)
    const tokens = configured ?? reported
    const source = configured === undefined ? 'its list' : 'context_length of the provider'
    return tokens === undefined ? [] : [`${shortened(model, 60)} ${tokens} tokens (${source})`]
  })
  if (known.length === 0) return []
  const detail = known.slice(0, 5).join(', ') + (known.length > 5 ? `, … (${known.length})` : '')
  return [{ subject: 'context', state: 'ok', detail }]
}

const kindsOfServers: Partial<Record<ModelList['server'], HttpProvider['kind']>> = {
  'llama.cpp': 'llama_cpp',
  ollama: 'ollama',
  vllm: 'vllm',
}

/** Recommends naming the software of a local server that its list shows. */
export function kindFindings({ server }: ModelList, { kind, isLocal }: HttpProvider): Finding[] {
  const named = kindsOfServers[server]
  if (named === undefined || kind !== 'openai' || !isLocal) return []
  const detail = `the server is ${server}: "kind: ${named}" in the configuration lets the gateway know its routes, formats and errors`
  return [{ subject: 'kind', state: 'ok', detail }]
}

function missingModel(model: string, { models, isPartial, server }: ModelList): Finding {
  const names = models.map(({ id }) => id)
  const near = closestName(model, names)
  const first = names.slice(0, 5).map((name) => shortened(name, 60))
  const more = names.length > 5 ? `, … (${names.length})` : ''
  const available = near === undefined ? first.join(', ') + more : shortened(near, 60)
  const missing = names.length === 0 ? 'missing; it has no models' : `missing; it has ${available}`
  const replacement = near === undefined ? 'a name that it lists' : `model: ${JSON.stringify(near)}`
  const rename = `use ${replacement} in the configuration`
  const pull = `ollama pull ${shellWord(model)}`
  return {
    subject: `model ${model}`,
    state: isPartial ? 'warn' : 'fail',
    detail: isPartial ? 'not in the part of its list that was read' : missing,
    fix: server !== 'ollama' ? rename : near === undefined ? pull : `${pull}   # or ${rename}`,
    figures: { model },
  }
}
