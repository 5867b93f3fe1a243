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
  for (const place of places) {
    for (const key of ['fallbacks', 'context_window_fallbacks'] as const) {
      for (const item of place.get(key).items()) {
        for (const [name, names] of item.members()) addFallback(key, name, names, lengths, draft)
      }
    }
  }
  for (const place of places) {
    const usual = place.get('default_fallbacks')
    const names = usual.texts()
    for (const name of Object.keys(draft.config.models)) {
      if (names.length > 0)
        appendFallbacks(
          name,
          names.filter((each) => each !== name),
          usual,
          draft,
        )
    }
  }
}

function addFallback(
  key: FallbackKey,
  name: string,
  names: Foreign,
  lengths: ReadonlyMap<string, number>,
  draft: Draft,
): void {
  const { models } = draft.config
  const others = names.texts()
  if (name === '*') {
    for (const model of Object.keys(models)) {
      appendFallbacks(
        model,
        others.filter((each) => each !== model),
        names,
        draft,
      )
    }
    return
  }
  const owner = Object.hasOwn(models, name)
    ? name
    : Object.keys(models).find((each) => models[each]!.aliases?.includes(name) === true)
  if (owner === undefined) {
    draft.leftOut(names, 'fallbacks belong to a model here, and none of the file has this name')
    return
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
