// What a new list of prices would change, and whether that looks like a broken list.
import { isDeepStrictEqual } from 'node:util'

import type { Price, TokenRates } from '../domain.ts'
import type { PriceList } from './price-list.ts'

/** A model at a server, whatever the lists call them. */
export interface UsedModel {
  /** For people: `gpt at openai`. */
  readonly name: string
  /** Host and path of the base URL. */
  readonly address: string
  readonly model: string
}

export interface ListChanges {
  /** Names in the old list. */
  readonly total: number
  readonly added: number
  /** `openai/gpt-5`. */
  readonly vanished: readonly string[]
  readonly moved: readonly Move[]
  /** Of the models that are in use. */
  readonly used: readonly Move[]
}

export interface Move {
  readonly name: string
  /** Undefined: it had no price. */
  readonly from: Price | undefined
  /** Undefined: it has none any more. */
  readonly to: Price | undefined
}

/** The servers decide which entries belong together: lists name providers differently. */
export function compareLists(old: PriceList, next: PriceList, used: readonly UsedModel[]): ListChanges {
  const vanished: string[] = []
  const moved: Move[] = []
  let total = 0
  for (const { provider, model, address, price } of old.entries()) {
    total += 1
    // Where two providers share an address, calls have the price of one of them.
    const from = priceIn(old, address, model) ?? price
    const to = priceIn(next, address, model)
    const name = `${provider}/${model}`
    if (to === undefined) vanished.push(name)
    else if (!isDeepStrictEqual(from, to)) moved.push({ name, from, to })
  }
  let added = 0
  for (const { address, model } of next.entries()) {
    if (priceIn(old, address, model) === undefined) added += 1
  }
  const usedMoves = used.map(({ name, address, model }) => ({
    name,
    from: priceIn(old, address, model),
    to: priceIn(next, address, model),
  }))
  const changed = usedMoves.filter(({ from, to }) => !isDeepStrictEqual(from, to))
  return { total, added, vanished, moved, used: changed }
}

function priceIn(list: PriceList, address: string, model: string): Price | undefined {
  const provider = list.providerAt(address)
  return provider === undefined ? undefined : list.find(provider, model)
}

const maxVanishedShare = 0.1
const maxFactor = 4

/** Why a list is likely to be broken; empty: it is not. As sentences. */
export function doubtsAbout({ total, vanished, used }: ListChanges): string[] {
  const doubts: string[] = []
  if (vanished.length > total * maxVanishedShare) {
    const percent = Math.floor((100 * vanished.length) / total)
    doubts.push(`${vanished.length} of ${total} models (${percent} %) would lose their prices.`)
  }
  for (const { name, from, to } of used) {
    if (from === undefined) continue
    if (to === undefined) doubts.push(`${name} would have no price.`)
    else if (largestFactor(from, to) > maxFactor) {
      doubts.push(`The price of ${name} would change more than ${maxFactor} times.`)
    }
  }
  return doubts
}

/** By how much the price that changes most grows or shrinks; at least 1. */
export function largestFactor(from: Price, to: Price): number {
  const names = Object.keys(from.rates) as (keyof TokenRates)[]
  return Math.max(...names.map((name) => factorOf(from.rates[name], to.rates[name])))
}

function factorOf(from: number, to: number): number {
  if (from === to) return 1
  return Math.max(from, to) / Math.min(from, to)
}
