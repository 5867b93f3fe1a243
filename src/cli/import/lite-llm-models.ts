// `model_list` of LiteLLM: entries of one `model_name` are the targets of one model.
import type { RawModel, RawTarget } from '../../config/raw.ts'
import type { Draft } from './draft.ts'
import type { Foreign } from './foreign.ts'
import { isOwnKey } from './lite-llm-own-keys.ts'
import { readPrice } from './lite-llm-price.ts'
import { findProvider, type OtherPlaces, Parameters, setTimeouts, splitModel } from './lite-llm-provider.ts'
import { clamped, wholeNumbers } from './numbers.ts'
import type { ProviderBook } from './provider-book.ts'
import { addRequest, isHarmless, memberAlong, memberName, notHarmless } from './request-members.ts'

/** One entry of `model_list`, as far as it concerns its model. */
interface Deployment {
  readonly entry: Foreign
  readonly target: RawTarget
  readonly order: number | undefined
  readonly rpm: number | undefined
  readonly tpm: number | undefined
  readonly parallel: number | undefined
  readonly contextLength: number | undefined
  readonly request: NonNullable<RawModel['request']>
}

export interface ModelListOptions extends OtherPlaces {
  /** rpm and tpm were enforced, and not only weights. */
  readonly areLimitsEnforced: boolean
}

/** @returns how many tokens the prompts of each model may have, where that is known. */
export function convertModelList(
  list: Foreign,
  draft: Draft,
  book: ProviderBook,
  options: ModelListOptions,
): ReadonlyMap<string, number> {
  const groups = new Map<string, Deployment[]>()
  for (const entry of list.items()) {
    const name = draft.name(entry.get('model_name'))
    if (name === undefined) {
      if (entry.value !== undefined) draft.leftOut(entry, 'it has no model_name')
      continue
    }
    const deployment = readDeployment(entry, draft, book, options)
    if (deployment === undefined) {
      draft.lostModels.add(name)
      continue
    }
    groups.set(name, [...(groups.get(name) ?? []), deployment])
  }
  for (const name of groups.keys()) draft.lostModels.delete(name)
  for (const [name, deployments] of groups) addModel(name, deployments, draft, options)
  const lengths = [...groups].flatMap(([name, deployments]): [string, number][] => {
    const known = deployments.flatMap(({ contextLength }) => contextLength ?? [])
    return known.length === 0 ? [] : [[name, Math.max(...known)]]
  })
  return new Map(lengths)
}

function readDeployment(
  entry: Foreign,
  draft: Draft,
  book: ProviderBook,
  options: ModelListOptions,
): Deployment | undefined {
  const params = new Parameters(entry, options)
  const whole = draft.name(params.get('model'))
  if (whole === undefined) {
    draft.leftOut(entry, 'it has no litellm_params.model')
    return undefined
  }
  const { kind, model, name } = splitModel(whole, params.get('custom_llm_provider').text())
  if (kind === undefined || kind.refusal !== undefined) {
    draft.leftOut(entry, kind?.refusal ?? 'the gateway does not know this kind of provider')
    return undefined
  }
  const provider = findProvider(params, kind, name, draft, book)
  if (provider === undefined) return undefined
  if (kind.change !== undefined) draft.changed(params.own.get('model'), ['providers', provider], kind.change)
  setTimeouts(params, draft, provider)
  const weight = params.get('weight').number()
  const order = params.get('order').number() ?? entry.at('model_info', 'order').number()
  const price = readPrice([params.own, entry.get('model_info')])
  const info = entry.get('model_info')
  for (const key of ['id', 'mode', 'base_model', 'description']) info.get(key).take()
  return {
    entry,
    target: {
      provider,
      model,
      ...(weight !== undefined && weight > 0 && { weight }),
      ...(price !== undefined && { price }),
    },
    order,
    rpm: params.limit('rpm'),
    tpm: params.limit('tpm'),
    parallel: params.limit('max_parallel_requests'),
    contextLength: info.get('max_input_tokens').number(),
    request: readRequest(params, draft),
  }
}

function readRequest(params: Parameters, draft: Draft): NonNullable<RawModel['request']> {
  const usual: [string, unknown][] = []
  const places = [params.own, params.own.get('extra_body')]
  for (const member of places.flatMap((place) => place.members())) {
    const [name, node] = member
    if (isOwnKey(name)) continue
    if (isHarmless(name, node.value)) usual.push([memberName(name), node.take()])
    else draft.leftOut(node, notHarmless)
  }
  const drop = params.own
    .get('additional_drop_params')
    .items()
    .filter(({ value }) => typeof value === 'string' && !value.includes('['))
    .flatMap((item) => item.text() ?? [])
  return {
    ...(usual.length > 0 && { default: Object.fromEntries(usual) }),
    ...(drop.length > 0 && { drop: drop.map(memberAlong) }),
  }
}

function addModel(
  name: string,
  deployments: readonly Deployment[],
  draft: Draft,
  options: ModelListOptions,
): void {
  const path = ['models', name]
  const [first, ...others] = deployments
  for (const { entry } of deployments) draft.carried(entry, path)
  const model: RawModel =
    others.length === 0 ? withoutWeight(first!.target) : { targets: weighed(deployments, draft, path) }
  draft.config.models[name] = model
  for (const { request } of deployments) addRequest(model, request)
  if (model.request !== undefined && Object.keys(model.request).length === 0) delete model.request
  if (others.length > 0 && deployments.some(({ request }) => Object.keys(request).length > 0)) {
    draft.changed(first!.entry, path, 'request parameters are set for all targets of the model')
  }
  setLimits(name, deployments, draft, options)
}

function withoutWeight(target: RawTarget): RawModel {
  const model: RawModel = { ...target }
  delete (model as Partial<RawTarget>).weight
  return model
}

/**
 * Targets with tiers and weights. LiteLLM takes the shares from the first of weight, rpm and tpm that any target has, in tiers by
 * order. Targets without the one or the other get no calls while others are healthy: they come after those.
 */
function weighed(deployments: readonly Deployment[], draft: Draft, path: readonly string[]): RawTarget[] {
  const sharesBy = {
    weight: deployments.map(({ target }) => target.weight ?? 0),
    rpm: deployments.map(({ rpm = 0 }) => rpm),
    tpm: deployments.map(({ tpm = 0 }) => tpm),
  }
  const key = (['weight', 'rpm', 'tpm'] as const).find((each) => sharesBy[each].some((share) => share > 0))
  const shares = key === undefined ? deployments.map(() => 1) : sharesBy[key]
  if (key !== undefined) noteShares(key, shares, deployments, draft, path)
  const places = deployments.map(({ order = Infinity }, index) => ({ order, isLast: shares[index] === 0 }))
  const sorted = places.toSorted((one, other) =>
    one.order === other.order ? Number(one.isLast) - Number(other.isLast) : one.order - other.order,
  )
  const ranks = [...new Set(sorted.map((place) => JSON.stringify(place)))]
  const weights = wholeNumbers(shares.map((share) => (share > 0 ? share : Math.max(...shares))))
  return deployments.map(({ target }, index) => {
    const { weight: _, ...rest } = target
    const tier = Math.min(100, ranks.indexOf(JSON.stringify(places[index])) + 1)
    const weight = shares[index] === 0 ? 1 : weights[index]!
    return { ...rest, ...(ranks.length > 1 && { tier }), ...(weight !== 1 && { weight }) }
  })
}

function noteShares(
  key: 'weight' | 'rpm' | 'tpm',
  shares: readonly number[],
  deployments: readonly Deployment[],
  draft: Draft,
  path: readonly string[],
): void {
  const place = (index: number) => deployments[index]!.entry.get('litellm_params').get(key)
  if (key !== 'weight') {
    draft.changed(
      place(shares.findIndex((share) => share > 0)),
      path,
      'it set the share of the target, as weight does here',
    )
  }
  const without = shares.indexOf(0)
  if (without < 0) return
  const text = 'a target without it got no calls while another was healthy, so it has a later tier'
  draft.changed(place(without), path, text)
}

function setLimits(
  name: string,
  deployments: readonly Deployment[],
  draft: Draft,
  { areLimitsEnforced }: ModelListOptions,
): void {
  const path = ['rate_limit_settings', 'limits', name]
  for (const [key, most] of [
    ['rpm', 10_000_000],
    ['tpm', 1_000_000_000_000],
  ] as const) {
    const values = deployments.map((each) => each[key])
    const place = deployments
      .find((each) => each[key] !== undefined)
      ?.entry.get('litellm_params')
      .get(key)
    if (place === undefined) continue
    if (values.some((each) => each === undefined)) {
      draft.notes.push({
        kind: 'left_out',
        from: place.path,
        to: ['models', name],
        text: 'not every target of the model has it, and a limit here covers the whole model',
      })
      continue
    }
    draft.limitsOf(name)[key] = clamped(
      values.reduce<number>((sum, each) => sum + each!, 0),
      1,
      most,
    )
    draft.changed(
      place,
      path,
      `${areLimitsEnforced ? '' : 'only a hint for routing there; '}a promise here: calls beyond it get 429${values.length > 1 ? '; the sum of all targets' : ''}`,
    )
  }
  const parallel = deployments.map((each) => each.parallel)
  if (parallel.every((each) => each === undefined)) return
  const place = deployments[0]!.entry.get('litellm_params').get('max_parallel_requests')
  if (parallel.every((each) => each !== undefined)) {
    draft.limitsOf(name).max_parallel_requests = clamped(
      parallel.reduce((sum, each) => sum + each, 0),
      1,
      1_000_000,
    )
    draft.carried(place, path)
  } else {
    draft.notes.push({
      kind: 'left_out',
      from: place.path,
      to: ['models', name],
      text: 'not every target of the model has it; set max_parallel_requests on the provider instead',
    })
  }
}
