// `filters` of llama-swap: members of requests that are left out or set.
import type { RawModel } from '../../config/raw.ts'
import type { Draft } from './draft.ts'
import type { Foreign } from './foreign.ts'
import { addRequest, isHarmless, memberName, notHarmless } from './request-members.ts'

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
  const set = readMembers(filters.get('setParams'), draft)
  addRequest(model, { drop: drop.filter((each) => !Object.hasOwn(set, each)).map(memberName), set })
  if (model.request !== undefined && Object.keys(model.request).length === 0) delete model.request
  else draft.carried(filters, ['models', name])
  addVariants(filters.get('setParamsByID'), { model, name, set, expand }, draft)
}

function readMembers(members: Foreign, draft: Draft): Readonly<Record<string, unknown>> {
  const set: [string, unknown][] = []
  for (const [key, node] of members.members()) {
    if (isHarmless(key, node.value)) set.push([memberName(key), node.take()])
    else draft.leftOut(node, notHarmless)
  }
  return Object.fromEntries(set)
}

/** Each name is a model of its own, with what is set for it in addition. */
function addVariants(
  byId: Foreign,
  {
    model,
    name,
    set,
    expand,
  }: {
    readonly model: RawModel
    readonly name: string
    readonly set: object
    readonly expand: (text: string) => string
  },
  draft: Draft,
): void {
  for (const [key, members] of byId.members()) {
    const id = expand(key)
    const more = { ...set, ...readMembers(members, draft) }
    if (id === name) {
      addRequest(model, { set: more })
      continue
    }
    const { aliases, ...rest } = model
    if (aliases?.includes(id) === true) model.aliases = aliases.filter((each) => each !== id)
    const variant: RawModel = { ...rest, model: rest.model ?? name }
    const kept = model.request?.drop?.filter((each) => !Object.hasOwn(more, each)) ?? []
    variant.request = {
      ...(Object.keys(more).length > 0 && { set: more }),
      ...(kept.length > 0 && { drop: kept }),
    }
    draft.config.models[id] = variant
    draft.changed(members, ['models', id], 'a model of its own here')
  }
}
