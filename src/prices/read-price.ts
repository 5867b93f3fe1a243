// A price as people write it, in the configuration and in price lists: USD per 1,000,000 tokens.
import type { Price, Tariff, TokenRates } from '../domain.ts'
import { maxUsdPerCall, maxUsdPerMillion, picoPerCall, picoPerToken } from './usd.ts'

type Usd = number | string

/** Names of what has a price of its own. */
export const rateNames = [
  'input',
  'cached_input',
  'cache_write',
  'cache_write_1h',
  'output',
  'reasoning',
  'request',
] as const
export type RateName = (typeof rateNames)[number]

export type RawRates = Partial<Record<RateName, Usd>>

export interface RawTariff extends RawRates {
  above?: (RawRates & { input_tokens: number })[]
}

/**
 * `input` stands in for `cached_input`, `cache_write` and `output` where these are absent, `cache_write` for
 * `cache_write_1h`, and `output` for `reasoning`.
 */
export interface RawPrice extends RawTariff {
  input: Usd
  service_tiers?: Record<string, RawTariff>
}

/** What is wrong with a price, and where in it. */
export interface PriceFault {
  readonly path: readonly (string | number)[]
  readonly message: string
  readonly hint: string
}

/** @param raw of the right shape: every key is known, and every value a number, a text, a list or a mapping as it must be. */
export function* priceFaults(raw: RawPrice): Generator<PriceFault> {
  yield* tariffFaults(raw, [])
  for (const [name, tier] of Object.entries(raw.service_tiers ?? {})) {
    yield* tariffFaults(tier, ['service_tiers', name])
  }
}

function* tariffFaults(raw: RawTariff, path: PriceFault['path']): Generator<PriceFault> {
  yield* rateFaults(raw, path)
  let most = 0
  for (const [index, tier] of (raw.above ?? []).entries()) {
    const at = [...path, 'above', index]
    yield* rateFaults(tier, at)
    if (tier.input_tokens <= most && index > 0) {
      const message = `must be more than the ${most} of the entry before it`
      yield { path: [...at, 'input_tokens'], message, hint: 'sort the entries by input_tokens' }
    }
    most = tier.input_tokens
  }
}

function* rateFaults(raw: RawRates, path: PriceFault['path']): Generator<PriceFault> {
  for (const name of rateNames) {
    const written = raw[name]
    if (written !== undefined && picoOf(name, written) === undefined) {
      yield { path: [...path, name], ...(name === 'request' ? requestFault : tokenFault) }
    }
  }
}

const tokenFault = {
  message: `must be a number from 0 to ${maxUsdPerMillion} with at most 6 decimals`,
  hint: 'write USD per 1,000,000 tokens: 1.25',
}

const requestFault = {
  message: `must be a number from 0 to ${maxUsdPerCall} with at most 12 decimals`,
  hint: 'write USD per call: 0.005',
}

function picoOf(name: RateName, written: Usd): number | undefined {
  return name === 'request' ? picoPerCall(written) : picoPerToken(written)
}

/** @param raw without faults. */
export function readPrice(raw: RawPrice): Price {
  const tiers = Object.entries(raw.service_tiers ?? {})
  return {
    ...readTariff(raw, {}),
    // A tier states what differs; `above` is its own, or its rates are the same for prompts of any length.
    serviceTiers: new Map(tiers.map(([name, tier]) => [name, readTariff(tier, raw)])),
  }
}

function readTariff(raw: RawTariff, usual: RawRates): Tariff {
  const base = { ...usual, ...raw }
  return {
    rates: readRates(base),
    above: (raw.above ?? []).map((tier) => ({
      inputTokens: tier.input_tokens,
      rates: readRates({ ...base, ...tier }),
    })),
  }
}

function readRates(raw: RawRates): TokenRates {
  const pico = (name: RateName, otherwise: number) => {
    const written = raw[name]
    return written === undefined ? otherwise : picoOf(name, written)!
  }
  const input = pico('input', 0)
  const cacheWrite = pico('cache_write', input)
  const output = pico('output', input)
  return {
    input,
    cachedInput: pico('cached_input', input),
    cacheWrite,
    hourCacheWrite: pico('cache_write_1h', cacheWrite),
    output,
    reasoning: pico('reasoning', output),
    request: pico('request', 0),
  }
}
