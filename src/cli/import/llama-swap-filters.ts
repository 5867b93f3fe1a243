// `filters` of llama-swap: members of requests that are left out or set.
import type { RawModel } from '../../config/raw.ts'
import type { Draft } from './draft.ts'
import type { Foreign } from './foreign.ts'
import { isHarmless, memberAlong, notHarmless } from './request-members.ts'

type Requests = NonNullable<RawModel['request']>
type Values = ReadonlyMap<string, unknown>

/** Values by member; those whose key ends in `?` are for requests without the member. */
interface Parameters {
  readonly set: Values
  readonly soft: Values
}

/** @param expand replaces macros, also in the names of variants. */
export function addFilters(
  filters: Foreign,
  model: RawModel,
  name: string,
  { draft, expand }: { readonly draft: Draft; readonly expand: (text: string) => string },
): void {
  const strip = filters.anyOf('stripParams', 'strip_params')
  const drop = expand(strip.text() ?? strip.texts().join(','))
    .split(',')
    .map((each) => each.trim())
    // The model's name is never stripped there either.
    .filter((each) => each !== '' && each !== 'model')
    .map(memberAlong)
  const common = readParameters(filters.get('setParams'), draft)
  const variants = filters
    .get('setParamsByID')
    .members()
    .map(([key, members]) => ({ id: expand(key), members, own: readParameters(members, draft) }))
  const own = variants.filter(({ id }) => id === name).map((variant) => variant.own)
  setRequest(model, requestOf(drop, [common, ...own]))
  if (model.request !== undefined) draft.carried(filters, ['models', name])
  // Each other name is a model of its own, with what is set for it in addition.
  for (const variant of variants) {
    if (variant.id === name) continue
    const { aliases, request: _, ...rest } = model
    if (aliases?.includes(variant.id) === true) model.aliases = aliases.filter((each) => each !== variant.id)
    const made: RawModel = { ...rest, model: rest.model ?? name }
    setRequest(made, requestOf(drop, [common, variant.own]))
    draft.config.models[variant.id] = made
    draft.changed(variant.members, ['models', variant.id], 'a model of its own here')
  }
}

function readParameters(members: Foreign, draft: Draft): Parameters {
  const set = new Map<string, unknown>()
  const soft = new Map<string, unknown>()
  for (const [key, node] of members.members()) {
    const name = key.replace(/\?$/, '')
    if (isHarmless(name.split('.').at(-1)!, node.value)) {
      ;(key === name ? set : soft).set(memberAlong(name), node.take())
    } else draft.leftOut(node, notHarmless)
  }
  return { set, soft }
}

/**
 * As one stage after the other leaves the request: what is stripped counts as missing afterwards, and what an earlier stage has set
 * as sent. https://github.com/mostlygeek/llama-swap/blob/main/internal/config/filters.go
 */
function requestOf(drop: readonly string[], stages: readonly Parameters[]): Requests {
  const set = new Map<string, unknown>()
  const usual = new Map<string, unknown>()
  for (const stage of stages) {
    for (const [name, value] of stage.set) {
      set.set(name, value)
      usual.delete(name)
    }
    for (const [name, value] of stage.soft) {
      if (set.has(name) || usual.has(name)) continue
      ;(drop.includes(name) ? set : usual).set(name, value)
    }
  }
  const dropped = [...new Set(drop)].filter((name) => !set.has(name))
  return {
    ...(usual.size > 0 && { default: Object.fromEntries(usual) }),
    ...(set.size > 0 && { set: Object.fromEntries(set) }),
    ...(dropped.length > 0 && { drop: dropped }),
  }
}

function setRequest(model: RawModel, request: Requests): void {
  if (Object.keys(request).length > 0) model.request = request
}
