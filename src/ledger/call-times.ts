// How long calls took that were answered: what a report's medians and percentiles are of. As whole numbers, of which a few occur
// often, so that a quarter of an hour of them is kept in some bytes a call, and any number of them are merged exactly.
import { ValueCounts } from '../platform/value-counts.ts'
import { VarintReader, VarintWriter } from './varint.ts'

export interface TimedCall {
  readonly isStream: boolean
  /** In line, in milliseconds. */
  readonly waitMs: number
  /** Until its first token or byte. */
  readonly firstMs: number | null
  readonly durationMs: number
  readonly outputTokens: number
}

/** Of each call the wait in line; of a stream the time to its first token, and its rate, where it has them. */
const kinds = ['waits', 'firsts', 'rates'] as const
type Kind = (typeof kinds)[number]

/** A rate is kept in hundredths of a token per second. */
const rateUnits = 100

function waitOf({ waitMs }: TimedCall): number {
  return wholeOf(waitMs)
}

/** Undefined: it is no stream, or had no token. */
function firstOf({ isStream, firstMs }: TimedCall): number | undefined {
  return isStream && firstMs !== null ? wholeOf(firstMs) : undefined
}

/** Of a stream. The first token starts the time of the others. */
function rateOf({ firstMs, durationMs, outputTokens }: TimedCall): number | undefined {
  if (firstMs === null || outputTokens <= 1 || durationMs <= firstMs) return undefined
  return wholeOf(((outputTokens - 1) * 1000 * rateUnits) / (durationMs - firstMs))
}

function count(values: Map<number, number>, value: number): void {
  values.set(value, (values.get(value) ?? 0) + 1)
}

function wholeOf(value: number): number {
  return Math.min(Math.max(0, Math.round(value)), 2 ** 40)
}

/** Times of calls one by one, until they are written down. */
export class CallTimesDraft {
  /** Of each value how often it occurs. */
  readonly #values: Readonly<Record<Kind, Map<number, number>>> = {
    waits: new Map(),
    firsts: new Map(),
    rates: new Map(),
  }

  add(call: TimedCall): void {
    const { waits, firsts, rates } = this.#values
    count(waits, waitOf(call))
    const firstMs = firstOf(call)
    if (firstMs === undefined) return
    count(firsts, firstMs)
    const rate = rateOf(call)
    if (rate !== undefined) count(rates, rate)
  }

  /**
   * Of each kind the number of its values, and then the values in order: twice the distance from the one before, and one more
   * where the next number is how often it occurs, which is once otherwise.
   */
  encoded(): Uint8Array {
    const writer = new VarintWriter()
    for (const kind of kinds) {
      const values = this.#values[kind]
      const sorted = Float64Array.from(values.keys()).sort()
      writer.number(sorted.length)
      let before = 0
      for (const value of sorted) {
        const count = values.get(value)!
        writer.number((value - before) * 2 + (count > 1 ? 1 : 0))
        if (count > 1) writer.number(count)
        before = value
      }
    }
    return writer.done()
  }
}

/** Times of any number of calls. */
export class CallTimes {
  readonly #counts: Readonly<Record<Kind, ValueCounts>> = {
    waits: new ValueCounts(),
    firsts: new ValueCounts(),
    rates: new ValueCounts(),
  }

  get calls(): number {
    return this.#counts.waits.total
  }

  add(call: TimedCall): void {
    const { waits, firsts, rates } = this.#counts
    waits.add(waitOf(call))
    const firstMs = firstOf(call)
    if (firstMs === undefined) return
    firsts.add(firstMs)
    const rate = rateOf(call)
    if (rate !== undefined) rates.add(rate)
  }

  /** @param bytes of a `CallTimesDraft`. */
  addEncoded(bytes: Uint8Array): void {
    const reader = new VarintReader(bytes)
    for (const kind of kinds) {
      const counts = this.#counts[kind]
      let value = 0
      for (let left = reader.number(); left > 0; left -= 1) {
        const code = reader.number()
        value += Math.floor(code / 2)
        counts.add(value, code % 2 === 0 ? 1 : reader.number())
      }
    }
  }

  /** In milliseconds. @returns undefined without calls. */
  waitMs(share: number): number | undefined {
    return this.#counts.waits.percentile(share)
  }

  /** In milliseconds. @returns undefined without streams. */
  firstMs(share: number): number | undefined {
    return this.#counts.firsts.percentile(share)
  }

  /** In tokens per second, to two decimals. @returns undefined where no stream has a rate. */
  tokensPerSecond(share: number): number | undefined {
    const rate = this.#counts.rates.percentile(share)
    return rate === undefined ? undefined : rate / rateUnits
  }
}
