// Names of LiteLLM that lead to other models: aliases, and fallbacks by the kind of failure.
import { isObject } from '../../bytes/json/parse.ts'
import type { Draft } from './draft.ts'
import type { Foreign } from './foreign.ts'
import { clamped } from './numbers.ts'

export function addAliases(aliases: Foreign, draft: Draft): void {
  const { models } = draft.config
  for (const [alias, value] of aliases.members()) {
    const name = draft.name(isObject(value.value) ? value.get('model') : value)
    if (name === undefined) continue
    if (isObject(value.value) && value.get('hidden').boolean() === true) {
      draft.changed(value.get('hidden'), ['models', name], 'an alias is listed here')
    }
    const model = Object.hasOwn(models, name) ? models[name] : undefined
    if (Object.hasOwn(models, alias)) {
      draft.leftOut(value, 'a model has this name already')
    } else if (model === undefined || name.endsWith('*')) {
      models[alias] = { use: name }
      draft.carried(value, ['models', alias])
    } else {
      ;(model.aliases ??= []).push(alias)
      draft.carried(value, ['models', name])
    }
  }
}

type FallbackKey = 'fallbacks' | 'context_window_fallbacks'

/** @param lengths tokens that the prompts of each model may have, where that is known. */
export function addFallbacks(
  places: readonly Foreign[],
  lengths: ReadonlyMap<string, number>,
  draft: Draft,
): void {
  const entries = (key: FallbackKey) =>
    places.flatMap((place) =>
      place
        .get(key)
        .items()
        .flatMap((item) => [...item.members()]),
    )
  const owners = new Set<string | undefined>()
  const general: Foreign[] = []
  for (const [name, names] of entries('fallbacks')) {
    if (name === '*') general.unshift(names)
    else owners.add(addFallback('fallbacks', name, names, lengths, draft))
  }
  // LiteLLM puts default_fallbacks behind the other entries, and reads the last entry for any model.
  const usual = places
    .map((place) => place.get('default_fallbacks'))
    .filter((each) => each.texts().length > 0)
  addGeneral([...usual, ...general], owners, draft)
  for (const [name, names] of entries('context_window_fallbacks')) {
    if (name === '*') draft.leftOut(names, 'LiteLLM compares these names exactly, so * matches no model')
    else addFallback('context_window_fallbacks', name, names, lengths, draft)
  }
}

/** Fallbacks of the models that have no entry of their own. @param lists the first one counts. */
function addGeneral(
  [list, ...unused]: readonly Foreign[],
  owners: ReadonlySet<string | undefined>,
  draft: Draft,
): void {
  for (const each of unused) draft.leftOut(each, 'another list for all models takes precedence over it')
  if (list === undefined) return
  const names = list.texts()
  for (const model of Object.keys(draft.config.models)) {
    if (owners.has(model)) continue
    appendFallbacks(
      model,
      names.filter((each) => each !== model),
      list,
      draft,
    )
  }
}

/** @returns the model whose fallbacks they are. */
function addFallback(
  key: FallbackKey,
  name: string,
  names: Foreign,
  lengths: ReadonlyMap<string, number>,
  draft: Draft,
): string | undefined {
  const { models } = draft.config
  const others = names.texts()
  const owner = Object.hasOwn(models, name)
    ? name
    : Object.keys(models).find((each) => models[each]!.aliases?.includes(name) === true)
  if (owner === undefined) {
    draft.leftOut(names, 'fallbacks belong to a model here, and none of the file has this name')
    return undefined
  }
  const length = lengths.get(owner)
  const [first] = others
  if (key === 'context_window_fallbacks' && length !== undefined && first !== undefined) {
    ;(models[owner]!.when ??= []).push({ prompt_tokens_over: clamped(length, 1, 100_000_000), use: first })
    draft.changed(
      names,
      ['models', owner],
      'a rule (when) leads long prompts to the first of these models at once',
    )
  }
  appendFallbacks(owner, others, names, draft, key)
  return owner
}

function appendFallbacks(
  name: string,
  names: readonly string[],
  from: Foreign,
  draft: Draft,
  key: FallbackKey = 'fallbacks',
): void {
  const model = draft.config.models[name]!
  if (model.use !== undefined) return
  model.fallbacks = [...new Set([...(model.fallbacks ?? []), ...names])]
  const path = ['models', name]
  if (key === 'fallbacks') draft.carried(from, path)
  else
    draft.changed(
      from,
      path,
      'a fallback is tried for a prompt that is too long, and for other failures, too',
    )
}
