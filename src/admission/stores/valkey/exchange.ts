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
 * @returns what became of each exchange.
 * @throws TypeError for what exchange.lua does not return.
 */
export function readExchangeReplies(
  replies: unknown,
  exchanges: readonly Exchange[],
): (ExchangeReply | StoreFault)[] {
  if (!Array.isArray(replies) || replies.length !== exchanges.length) throw unexpected(replies)
  return exchanges.map(({ dimensions }, index) => readReply(replies[index], dimensions.length))
}

function readReply(reply: unknown, count: number): ExchangeReply | StoreFault {
  if (!Array.isArray(reply)) throw unexpected(reply)
  const [kind, ...rest] = reply as unknown[]
  if (kind === 'failed' && rest.length === 1) return refusal(String(rest[0]))
  const numbers = rest.map(Number)
  if (kind === 'stale' && numbers.length === 1 && Number.isSafeInteger(numbers[0])) {
    return { kind, number: numbers[0]! }
  }
  const isWhole = numbers.length === 2 + 4 * count && !numbers.some(Number.isNaN)
  if ((kind !== 'ok' && kind !== 'grace') || !isWhole) throw unexpected(reply)
  const [active, nextMs, ...values] = numbers as [number, number, ...number[]]
  const dimensions: DimensionReply[] = []
  for (let at = 0; at < values.length; at += 4) {
    const [held, others, usedByOthers, keep] = values.slice(at, at + 4) as [number, number, number, number]
    dimensions.push({ held, others, usedByOthers, keep: keep < 0 ? Infinity : keep })
  }
  return { kind, active, nextMs: nextMs < 0 ? undefined : nextMs, dimensions }
}

function unexpected(reply: unknown): TypeError {
  return new TypeError(`the store replied ${JSON.stringify(reply)?.slice(0, 200)} to an exchange`)
}
