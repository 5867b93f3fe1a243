// What a gateway and the server say to each other about scopes: the words of exchange.lua.
import { refusal, type StoreFault } from './store-fault.ts'

/** How one limit of a scope stands at this gateway. Whole numbers. */
export interface DimensionState {
  /** Of all gateways together; undefined: there is none. */
  readonly limit: number | undefined
  /** How long what was used may count after the lease that it was used in, in milliseconds. */
  readonly lingerMs: number
  /** What this gateway may use at most; what it gives back is gone from here already. */
  readonly held: number
  readonly used: number
  /** How much more it would like to have, `needed` included. */
  readonly wanted: number
  /** Without so much more the next call is refused. */
  readonly needed: number
}

export interface Exchange {
  /** Of this exchange; later ones have higher numbers. */
  readonly number: number
  /** When the first of what is used leaves the window, in milliseconds from now; undefined: unknown. */
  readonly nextMs: number | undefined
  /** The gateway stops, and uses nothing more. */
  readonly leaves: boolean
  readonly dimensions: readonly DimensionState[]
}

export interface DimensionReply {
  /** What this gateway may use from now on. */
  readonly held: number
  /** What the other gateways may use. */
  readonly others: number
  readonly usedByOthers: number
  /** What of `held` may stay unused, since others wait; Infinity: all. */
  readonly keep: number
}

export interface Agreed {
  /** `grace`: nothing was granted, because the server does not know yet what gateways hold. */
  readonly kind: 'ok' | 'grace'
  /** Gateways that use or want something, this one included. */
  readonly active: number
  /** Until the first of what others use leaves their windows, in milliseconds; undefined: unknown. */
  readonly nextMs: number | undefined
  readonly dimensions: readonly DimensionReply[]
}

/** The server has seen a later exchange of this gateway: of this run, or of the one before, which had the same name. */
interface Stale {
  readonly kind: 'stale'
  /** Of the later one. */
  readonly number: number
}

export type ExchangeReply = Agreed | Stale

/** How long an allotment is valid after its last exchange was sent, and a want after it was stated, in milliseconds. */
export const leaseMs = 3_000
export const wantMs = 3_000

/** Of the state in the server: raised where an older gateway could not read it. */
export const schemaVersion = 1

/** The arguments of exchange.lua. @param channel where other gateways hear of it. @param exchanges one for each scope. */
export function exchangeArguments(
  member: string,
  channel: string,
  exchanges: readonly Exchange[],
): (string | number)[] {
  const list: (string | number)[] = [schemaVersion, leaseMs, wantMs, channel, member]
  for (const { number, nextMs, leaves, dimensions } of exchanges) {
    list.push(dimensions.length, number, nextMs ?? -1, leaves ? 1 : 0)
    for (const { limit = -1, lingerMs, held, used, wanted, needed } of dimensions)
      list.push(limit, lingerMs, held, used, wanted, needed)
  }
  return list
}

/**
 * @param args those of the exchanges that this is the reply to.
 * @returns what became of each exchange; undefined for what exchange.lua does not reply to them: also for more than was asked for,
 * since more would be used.
 */
export function readExchangeReplies(
  replies: unknown,
  args: readonly (string | number)[],
): (ExchangeReply | StoreFault)[] | undefined {
  if (!Array.isArray(replies)) return undefined
  const read: (ExchangeReply | StoreFault | undefined)[] = []
  let at = 5
  for (const reply of replies as unknown[]) {
    if (at >= args.length) return undefined
    const from = at + 4
    at = from + 6 * Number(args[at])
    read.push(readOne(reply, args.slice(from, at).map(Number)))
  }
  const isWhole = at === args.length && read.every((each) => each !== undefined)
  return isWhole ? read : undefined
}

/** @param stated of each limit: itself, lingerMs, held, used, wanted, needed. */
function readOne(reply: unknown, stated: readonly number[]): ExchangeReply | StoreFault | undefined {
  if (!Array.isArray(reply)) return undefined
  const [kind, ...texts] = reply as unknown[]
  if (kind === 'failed') {
    const [said] = texts
    return texts.length === 1 && typeof said === 'string' ? refusal(said) : undefined
  }
  const numbers = texts.map((each) => (isWholeText(each) ? Number(each) : NaN))
  if (!numbers.every((each) => Number.isSafeInteger(each) && each >= -1)) return undefined
  if (kind === 'stale')
    return numbers.length === 1 && numbers[0]! >= 0 ? { kind, number: numbers[0]! } : undefined
  const count = stated.length / 6
  if ((kind !== 'ok' && kind !== 'grace') || numbers.length !== 2 + 4 * count) return undefined
  const [active, nextMs] = numbers as [number, number]
  if (active < 1) return undefined
  const dimensions: DimensionReply[] = []
  for (let at = 0; at < count; at += 1) {
    const values = numbers.slice(2 + 4 * at, 6 + 4 * at) as [number, number, number, number]
    const [held, others, usedByOthers, keep] = values
    const [, , heldBefore, used, wanted] = stated.slice(6 * at) as [number, number, number, number, number]
    const least = Math.max(heldBefore, used)
    const isAsked = held >= Math.floor(least) && held <= Math.ceil(least + wanted)
    if (others < 0 || usedByOthers < 0 || !isAsked) return undefined
    dimensions.push({ held, others, usedByOthers, keep: keep < 0 ? Infinity : keep })
  }
  return { kind, active, nextMs: nextMs < 0 ? undefined : nextMs, dimensions }
}

function isWholeText(value: unknown): boolean {
  return typeof value === 'number' || (typeof value === 'string' && /^-?\d{1,16}$/.test(value))
}
