// Names of LiteLLM that lead to other models: aliases, and fallbacks by the kind of failure.
import { isObject } from '../../bytes/json/parse.ts'
import { formatPath } from '../../platform/key-path.ts'
import type { Draft } from './draft.ts'
import type { Foreign } from './foreign.ts'
import { clamped } from './numbers.ts'

export function addAliases(aliases: Foreign, draft: Draft): void {
  const { models } = draft.config
  for (const [alias, value] of aliases.members()) {
    const name = draft.name(isObject(value.value) ? value.get('model') : value)
    if (name === undefined) continue
    if (isObject(value.value) && value.get('hidden').boolean() === true) {
      draft.changed(value.get('hidden'), ['models', name], 'aliases are listed here')
    }
    const model = Object.hasOwn(models, name) ? models[name] : undefined
    if (draft.lostModels.has(name)) {
      draft.leftOut(value, 'the model that it leads to was left out')
      draft.lostModels.add(alias)
    } else if (Object.hasOwn(models, alias)) {
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

/**
 * Fallbacks as LiteLLM finds them: a list of its router replaces that of `litellm_settings`; a model has the first entry with its
 * name, else the last one for any model.
 * https://github.com/BerriAI/litellm/blob/main/litellm/router_utils/fallback_event_handlers.py (get_fallback_model_group)
 * @param places `router_settings`, `litellm_settings`.
 * @param lengths tokens that the prompts of each model may have, where that is known.
 */
export function addFallbacks(
  places: readonly Foreign[],
  lengths: ReadonlyMap<string, number>,
  draft: Draft,
): void {
  // LiteLLM puts default_fallbacks behind the other entries.
  const usual = prevailingList('default_fallbacks', places, draft)
  for (const key of ['fallbacks', 'context_window_fallbacks'] as const) {
    const general: Foreign[] = []
    const own = new Map<string, Foreign>()
    const list = prevailingList(key, places, draft)
    for (const [name, names] of list?.items().flatMap((item) => item.members()) ?? []) {
      if (name === '*') general.unshift(names)
      else if (own.has(name)) draft.leftOut(names, 'only the first entry for a model counts')
      else own.set(name, names)
    }
    if (key === 'fallbacks' && usual !== undefined) general.unshift(usual)
    const owners = new Set<string>()
    const isAlias = (name: string) => Number(!Object.hasOwn(draft.config.models, name))
    const sorted = [...own].toSorted(([one], [other]) => isAlias(one) - isAlias(other))
    for (const [name, names] of sorted) addOwn(key, name, names, { owners, lengths, draft })
    addGeneral(key, general, owners, draft)
  }
}

/** The list of the first place that has one with items. */
function prevailingList(key: string, places: readonly Foreign[], draft: Draft): Foreign | undefined {
  const [list, ...others] = places
    .map((place) => place.get(key))
    .filter((each) => each.items().length > 0 || each.word !== '')
  for (const each of others) draft.leftOut(each, `${formatPath(list!.path)} takes precedence over it`)
  return list
}

/** Fallbacks of the models that have no entry of their own. @param lists the first one counts. */
function addGeneral(
  key: FallbackKey,
  [list, ...unused]: readonly Foreign[],
  owners: ReadonlySet<string>,
  draft: Draft,
): void {
  for (const each of unused) draft.leftOut(each, 'another list for all models takes precedence over it')
  if (list === undefined) return
  const names = modelsOf(list, draft)
  for (const [name, model] of Object.entries(draft.config.models)) {
    if (owners.has(name) || model.use !== undefined) continue
    const others = names.filter((each) => each !== name)
    addToFallbacks(name, others, list, draft, { key })
  }
}

interface OwnLists {
  /** Models that have a list of their own, to which this adds. */
  readonly owners: Set<string>
  readonly lengths: ReadonlyMap<string, number>
  readonly draft: Draft
}

function addOwn(key: FallbackKey, name: string, names: Foreign, { owners, lengths, draft }: OwnLists): void {
  const { models } = draft.config
  const owner = Object.hasOwn(models, name)
    ? name
    : Object.keys(models).find((each) => models[each]!.aliases?.includes(name) === true)
  if (owner === undefined) {
    const isLost = draft.lostModels.has(name)
    const why = isLost ? 'the model that they belong to was left out' : 'no model in the file has this name'
    draft.leftOut(names, isLost ? why : `fallbacks belong to a model here, and ${why}`)
    return
  }
  if (models[owner]!.use !== undefined) {
    draft.leftOut(names, 'a name with use takes the fallbacks of the model that it leads to')
    return
  }
  if (owners.has(owner)) {
    draft.leftOut(names, 'an alias shares the fallbacks of its model')
    return
  }
  owners.add(owner)
  if (owner !== name) draft.changed(names, ['models', owner], 'an alias shares the fallbacks of its model')
  const others = modelsOf(names, draft)
  const length = lengths.get(owner)
  const [first] = others
  if (key === 'context_window_fallbacks' && length !== undefined && first !== undefined) {
    ;(models[owner]!.when ??= []).push({ prompt_tokens_over: clamped(length, 1, 100_000_000), use: first })
    draft.changed(
      names,
      ['models', owner],
      'a rule (when) sends long prompts straight to the first of these models',
    )
  }
  addToFallbacks(owner, others, names, draft, { key, hasRule: length !== undefined })
}

/** Names of models, also of entries that change more of the request. */
function modelsOf(list: Foreign, draft: Draft): readonly string[] {
  const items = list.word === '' ? list.items() : [list]
  return items.flatMap((item) => {
    const name = item.text() ?? item.get('model').text()
    if (name === undefined || !draft.lostModels.has(name)) return name ?? []
    draft.leftOut(item, 'the model was left out')
    return []
  })
}

/** @param hasRule long prompts are led elsewhere before they are sent. */
function addToFallbacks(
  name: string,
  names: readonly string[],
  from: Foreign,
  draft: Draft,
  { key, hasRule = false }: { readonly key: FallbackKey; readonly hasRule?: boolean },
): void {
  if (names.length === 0) return
  const model = draft.config.models[name]!
  const { fallbacks: before = [] } = model
  const path = ['models', name]
  if (key === 'fallbacks') {
    model.fallbacks = [...new Set([...before, ...names])]
    draft.carried(from, path)
    return
  }
  // Ollama cuts a prompt that is too long, without a word, so nothing behind it would get the whole:
  // https://github.com/ollama/ollama/blob/main/docs/faq.mdx (num_ctx)
  const cutting = hasRule ? -1 : before.findIndex((each) => cutsPrompts(each, draft))
  const [head, tail] = cutting < 0 ? [before, []] : [before.slice(0, cutting), before.slice(cutting)]
  model.fallbacks = [...new Set([...head, ...names, ...tail])]
  const order = tail.length === 0 ? '' : ', and come before Ollama, which refuses no prompt'
  const never =
    !hasRule && cutsPrompts(name, draft)
      ? '; Ollama refuses none, so add a rule (when: prompt_tokens_over)'
      : ''
  draft.changed(
    from,
    path,
    `fallbacks are tried for other failures too, not only for prompts that are too long${order}${never}`,
  )
}

function cutsPrompts(name: string, { config: { models, providers } }: Draft): boolean {
  const model = Object.hasOwn(models, name) ? models[name] : undefined
  const targets = model?.targets?.map((target) => target.provider) ?? [model?.provider ?? '']
  return targets.some((each) => Object.hasOwn(providers, each) && providers[each]!.kind === 'ollama')
}
