// `modelAliases` of llm-router: names with targets, which may be aliases themselves.
import type { RawModel, RawTarget } from '../../config/raw.ts'
import type { Draft } from './draft.ts'
import type { Foreign } from './foreign.ts'
import { wholeNumbers } from './numbers.ts'

/** `provider/model` and aliases lead to models of the draft. */
export interface Names {
  readonly models: Map<string, { readonly provider: string; readonly model: string }>
  readonly fallbacks: { readonly name: string; readonly list: Foreign }[]
}

export function addAliases(aliases: Foreign, draft: Draft, names: Names): void {
  for (const [name, alias] of aliases.members()) {
    if (name === 'default' && alias.get('targets').items().length === 0) {
      alias.take()
      continue
    }
    const targets = targetsOf(alias, aliases, new Set([name]), draft, names)
    if (targets.length === 0) {
      draft.leftOut(alias, 'none of its targets could be carried')
      continue
    }
    release(name, draft)
    draft.config.models[name] = targets.length === 1 ? single(targets[0]!) : { targets }
    draft.carried(alias, ['models', name])
  }
}

/** A name that a model has as an alias belongs to the alias of the file. */
function release(name: string, draft: Draft): void {
  for (const model of Object.values(draft.config.models)) {
    const rest = model.aliases?.filter((each) => each !== name)
    if (rest?.length === 0) delete model.aliases
    else if (rest !== undefined) model.aliases = rest
  }
}

function single({ provider, model }: RawTarget): RawModel {
  return { provider, ...(model !== undefined && { model }) }
}

const maxTargets = 100

function targetsOf(
  alias: Foreign,
  aliases: Foreign,
  open: ReadonlySet<string>,
  draft: Draft,
  names: Names,
): RawTarget[] {
  const strategy = alias.get('strategy')
  const word = strategy.text() ?? 'ordered'
  const isOrdered = word === 'ordered'
  if (/^(?:auto|quota-aware)/.test(word)) {
    draft.changed(strategy, undefined, 'a target at its limit is passed over, so calls go by weight and load')
  }
  const read = (list: Foreign) => list.items().map((item) => ({ ...readTarget(item), item }))
  const first = read(alias.get('targets'))
  const last = read(alias.anyOf('fallbackTargets', 'fallback-targets', 'fallbacks'))
  const weights = wholeNumbers(first.length === 0 ? [1] : first.map(({ weight }) => weight))
  const found: RawTarget[] = []
  const add = (ref: string, item: Foreign, tier: number, weight: number) => {
    for (const target of resolveRef(ref, item, aliases, open, draft, names).slice(
      0,
      maxTargets - found.length,
    )) {
      found.push({ ...target, ...(tier > 1 && { tier: Math.min(100, tier) }), ...(weight > 1 && { weight }) })
    }
  }
  for (const [index, { ref, item }] of first.entries()) {
    add(ref, item, isOrdered ? index + 1 : 1, isOrdered ? 1 : weights[index]!)
  }
  const after = isOrdered ? first.length : 1
  for (const [index, { ref, item }] of last.entries()) add(ref, item, after + index + 1, 1)
  return found
}

function readTarget(item: Foreign): { readonly ref: string; readonly weight: number } {
  if (typeof item.value === 'string') return { ref: item.text() ?? '', weight: 1 }
  const weight = item.get('weight').number()
  item.get('metadata').take()
  return {
    ref: item.anyOf('ref', 'target', 'route', 'model').text() ?? '',
    weight: weight !== undefined && weight > 0 ? weight : 1,
  }
}

/** A reference to an alias stands for the targets of the alias. */
function resolveRef(
  ref: string,
  item: Foreign,
  aliases: Foreign,
  open: ReadonlySet<string>,
  draft: Draft,
  names: Names,
): readonly RawTarget[] {
  const model = names.models.get(ref)
  if (model !== undefined) return [model]
  const name = ref.replace(/^alias:/, '')
  const alias = aliases.get(name)
  if (alias.isThere && !open.has(name)) {
    return targetsOf(alias, aliases, new Set([...open, name]), draft, names).map(
      ({ provider, model: upstream }) => ({
        provider,
        ...(upstream !== undefined && { model: upstream }),
      }),
    )
  }
  draft.leftOut(item, open.has(name) ? 'the aliases form a circle' : 'it names a model that is not here')
  return []
}
