// A list of prices of many providers: the one that the package brings, or one that the operator has put in its place. A
// server is known by its address, because names of providers are the operator's own, and the same model costs differently
// at different servers: what the list does not have at that address has no price.
import type { Price } from '../domain.ts'
import { priceFaults, type RawPrice, rateNames, readPrice } from './read-price.ts'

/** A list as it is written. */
export interface RawPriceList {
  readonly version: 1
  /** What the prices were taken from, and under which licence: text for people. */
  readonly source: string
  readonly licence: string
  /** `2026-11-20`: when they were right, as far as the source says. */
  readonly date: string
  /** By a name for people. */
  readonly providers: Readonly<Record<string, RawListProvider>>
}

export interface RawListProvider {
  /** `api.example.com`, `*.example.com`, `router.example.com/path`; a `*` stands for one or more characters but dots and slashes. */
  readonly hosts: readonly string[]
  /** Other providers of the list whose models it serves at the same price. */
  readonly like?: readonly string[]
  readonly models: Readonly<Record<string, RawListModel>>
}

/** `names`: other names. In a name, a `*` at its start or end stands for any text, and `#` in a date at its end for a digit. */
export type RawListModel = RawPrice & { readonly names?: readonly string[] }

/** A longer file is refused. */
export const maxPriceListBytes = 8 * 1024 * 1024

/** The names of one provider's models. */
interface Names {
  /** In lower case. */
  readonly byName: ReadonlyMap<string, RawListModel>
  /** In the order of the list. */
  readonly patterns: readonly (readonly [matches: (name: string) => boolean, model: RawListModel])[]
}

/** Of thousands of models a gateway uses few, of few providers: what is looked up is read when it is first needed. */
export class PriceList {
  readonly raw: RawPriceList
  readonly #providers: ReadonlyMap<string, RawListProvider>
  readonly #names = new Map<string, Names>()
  readonly #prices = new Map<RawListModel, Price>()

  constructor(raw: RawPriceList) {
    this.raw = raw
    this.#providers = new Map(Object.entries(raw.providers))
  }

  /** The provider's name in the list. @param address host and path of a base URL: `api.openai.com/v1`. */
  providerAt(address: string): string | undefined {
    for (const [name, { hosts }] of this.#providers) {
      if (hosts.some((host) => hostPattern(host).test(address))) return name
    }
    return undefined
  }

  /** @param provider its name in the list. @param model the provider's name for the model. */
  find(provider: string, model: string): Price | undefined {
    const found = this.#findRaw(provider, model.toLowerCase().replace(/^models\//, ''))
    if (found === undefined) return undefined
    let price = this.#prices.get(found)
    if (price === undefined) {
      price = readPrice(found)
      this.#prices.set(found, price)
    }
    return price
  }

  /** All models under their first names, with the address of a server that has them. */
  *entries(): Generator<{ provider: string; model: string; address: string; price: Price }> {
    for (const [provider, { hosts, models }] of Object.entries(this.raw.providers)) {
      const address = (hosts[0] ?? '').replaceAll('*', 'x')
      for (const model of Object.keys(models)) {
        yield { provider, model, address, price: this.find(provider, model)! }
      }
    }
  }

  /** Names of the providers that have the model, with its price. */
  *findEverywhere(model: string): Generator<[provider: string, price: Price]> {
    for (const name of this.#providers.keys()) {
      const price = this.find(name, model)
      if (price !== undefined) yield [name, price]
    }
  }

  #findRaw(provider: string, name: string): RawListModel | undefined {
    const { like = [] } = this.#providers.get(provider) ?? {}
    for (const each of [provider, ...like]) {
      const names = this.#namesOf(each)
      const found = names && findIn(names, name)
      if (found !== undefined) return found
    }
    return undefined
  }

  #namesOf(provider: string): Names | undefined {
    const known = this.#names.get(provider)
    if (known !== undefined) return known
    const raw = this.#providers.get(provider)
    if (raw === undefined) return undefined
    const names = readNames(raw)
    this.#names.set(provider, names)
    return names
  }
}

function findIn({ byName, patterns }: Names, name: string): RawListModel | undefined {
  const dated = name.replace(/(?<=[-@])(\d{8}|\d{4}-\d{2}-\d{2})$/, (date) => date.replaceAll(/\d/g, '#'))
  return byName.get(name) ?? byName.get(dated) ?? patterns.find(([matches]) => matches(name))?.[1]
}

function readNames({ models }: RawListProvider): Names {
  const byName = new Map<string, RawListModel>()
  const patterns: [(name: string) => boolean, RawListModel][] = []
  for (const [first, model] of Object.entries(models)) {
    for (const written of [first, ...(model.names ?? [])]) {
      const each = written.toLowerCase()
      if (each.includes('*')) patterns.push([matcherOf(each), model])
      else if (!byName.has(each)) byName.set(each, model)
    }
  }
  return { byName, patterns }
}

function matcherOf(pattern: string): (name: string) => boolean {
  const text = pattern.replace(/^\*/, '').replace(/\*$/, '')
  const [isOpenStart, isOpenEnd] = [pattern.startsWith('*'), pattern.endsWith('*')]
  if (isOpenStart && isOpenEnd) return (name) => name.includes(text)
  return isOpenStart ? (name) => name.endsWith(text) : (name) => name.startsWith(text)
}

/** Of an address that begins with the host, and with the path if there is one. */
function hostPattern(host: string): RegExp {
  const escaped = host.toLowerCase().replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&')
  return new RegExp(`^${escaped.replaceAll('*', '[^./:]+')}(?::\\d+)?(?:/|$)`)
}

export type ReadPriceList =
  | { readonly ok: true; readonly list: PriceList }
  /** A predicate, to follow the name of the file. */
  | { readonly ok: false; readonly message: string }

/** A list in the gateway's own form. @param value parsed JSON. */
export function readPriceList(value: unknown): ReadPriceList {
  if (!isMapping(value) || value['version'] !== 1 || !isMapping(value['providers'])) {
    return { ok: false, message: 'is not a price list of llm-gateway (version 1)' }
  }
  for (const name of ['source', 'licence', 'date']) {
    if (typeof value[name] !== 'string') return { ok: false, message: `has no ${name}` }
  }
  let count = 0
  for (const [name, provider] of Object.entries(value['providers'])) {
    const fault = providerFault(provider)
    if (fault !== undefined) return { ok: false, message: `has a fault at providers.${name}${fault}` }
    count += Object.keys((provider as RawListProvider).models).length
  }
  // Valid JSON without models has replaced good lists elsewhere.
  if (count === 0) return { ok: false, message: 'has no models' }
  return { ok: true, list: new PriceList(value as unknown as RawPriceList) }
}

function providerFault(value: unknown): string | undefined {
  if (!isMapping(value) || !isMapping(value['models'])) return ': it has no models'
  if (!isTexts(value['hosts']) || !isTexts(value['like'] ?? []))
    return ': hosts and like must be lists of texts'
  for (const [name, model] of Object.entries(value['models'])) {
    const fault = modelFault(model)
    if (fault !== undefined) return `.models.${name}${fault}`
  }
  return undefined
}

function modelFault(value: unknown): string | undefined {
  if (!isMapping(value)) return ': it is not a mapping'
  const { names = [], service_tiers: tiers = {}, ...tariff } = value
  if (!isTexts(names) || !isMapping(tiers)) return ': names must be a list, service_tiers a mapping'
  if (value['input'] === undefined) return ': it has no input'
  for (const each of [tariff, ...Object.values(tiers)]) {
    if (!isTariff(each)) return ': it has an unknown key or a value that is not a price'
  }
  for (const { path, message } of priceFaults(value as unknown as RawPrice)) {
    return `.${path.join('.')}: it ${message}`
  }
  return undefined
}

function isTariff(value: unknown): boolean {
  if (!isMapping(value)) return false
  const { above = [], ...rates } = value
  if (!areRates(rates) || !Array.isArray(above)) return false
  return above.every((tier: unknown) => {
    if (!isMapping(tier)) return false
    const { input_tokens: inputTokens, ...rest } = tier
    return Number.isSafeInteger(inputTokens) && (inputTokens as number) >= 0 && areRates(rest)
  })
}

function areRates(value: Readonly<Record<string, unknown>>): boolean {
  return Object.entries(value).every(
    ([name, each]) =>
      (rateNames as readonly string[]).includes(name) &&
      (typeof each === 'number' || typeof each === 'string'),
  )
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string')
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A line for each model, so that a change of one shows as one. */
export function writePriceList({ providers, ...head }: RawPriceList): string {
  const blocks = Object.entries(providers).map(([name, { models, ...provider }]) => {
    const lines = Object.entries(models).map(
      ([id, model]) => `${JSON.stringify(id)}:${JSON.stringify(model)}`,
    )
    const facts = JSON.stringify(provider).slice(0, -1)
    return `${JSON.stringify(name)}:${facts},"models":{\n${lines.join(',\n')}}}`
  })
  return `${JSON.stringify(head).slice(0, -1)},"providers":{\n${blocks.join(',\n')}}}\n`
}
