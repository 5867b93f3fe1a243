// Amounts of money between the decimal texts that people and providers write and whole numbers: sums of floating-point
// numbers drift, and a ledger must not.

/** The dearest price that is accepted, in USD per 1,000,000 tokens; the cost of any call stays a safe integer. */
export const maxUsdPerMillion = 10_000
/** The dearest price of a call, whatever its tokens, in USD. */
export const maxUsdPerCall = 1_000
/** A reported cost above this is a provider's mistake, or an attack on the sums. In nano-USD: 10,000 USD. */
const maxReportedNano = 10_000_000_000_000

/**
 * A price per 1,000,000 tokens as whole pico-USD per token.
 * @param written a decimal number from 0 to `maxUsdPerMillion` with at most 6 decimals.
 * @returns undefined for anything else.
 */
export function picoPerToken(written: number | string): number | undefined {
  return scaled(written, 6, maxUsdPerMillion)
}

/**
 * A price of a call as whole pico-USD.
 * @param written a decimal number of USD from 0 to `maxUsdPerCall` with at most 12 decimals.
 * @returns undefined for anything else.
 */
export function picoPerCall(written: number | string): number | undefined {
  return scaled(written, 12, maxUsdPerCall)
}

/**
 * An amount of USD that a provider reports, as a JSON number or as text, in whole nano-USD, rounded up.
 * @returns undefined for what is negative, no number or implausibly large.
 */
export function nanoOfUsd(value: unknown): number | undefined {
  const text = typeof value === 'number' ? String(value) : value
  if (typeof text !== 'string') return undefined
  const parts = /^(\d{1,32})(?:\.(\d{0,64}))?(?:[eE]([+-]?\d{1,3}))?$/.exec(text)
  if (parts === null) return undefined
  const [, whole = '', fraction = '', exponent = '0'] = parts
  const shift = 9 + Number(exponent) - fraction.length
  if (shift > 64 || shift < -512) return undefined
  const digits = BigInt(whole + fraction)
  const nano = shift >= 0 ? digits * 10n ** BigInt(shift) : dividedUp(digits, 10n ** BigInt(-shift))
  return nano <= maxReportedNano ? Number(nano) : undefined
}

/** Whole pico-USD as whole nano-USD, rounded up. */
export function nanoOfPico(pico: bigint | number): number {
  if (typeof pico === 'bigint') return Number(dividedUp(pico, 1000n))
  const below = pico % 1000
  return (pico - below) / 1000 + (below > 0 ? 1 : 0)
}

/** Nano-USD as USD in decimal notation: `0.0042`. */
export function usdOfNano(nano: number): string {
  return decimal(nano, 9)
}

/** Pico-USD per token as USD per 1,000,000 tokens in decimal notation: `1.25`. */
export function usdPerMillion(pico: number): string {
  return decimal(pico, 6)
}

/** Pico-USD as USD in decimal notation. */
export function usdOfPico(pico: number): string {
  return decimal(pico, 12)
}

function dividedUp(amount: bigint, by: bigint): bigint {
  return (amount + by - 1n) / by
}

/** A decimal number times 10 to the power of `decimals`, if that is a whole number. */
function scaled(written: number | string, decimals: number, most: number): number | undefined {
  const [, whole = '', fraction = ''] = /^(\d{1,9})(?:\.(\d{1,12}))?$/.exec(String(written)) ?? []
  if (whole === '' || fraction.length > decimals) return undefined
  const value = Number(whole + fraction.padEnd(decimals, '0'))
  return value <= most * 10 ** decimals ? value : undefined
}

function decimal(value: number, decimals: number): string {
  const digits = String(value).padStart(decimals + 1, '0')
  const fraction = digits.slice(-decimals).replace(/0+$/, '')
  const whole = digits.slice(0, -decimals)
  return fraction === '' ? whole : `${whole}.${fraction}`
}

/** The largest budget, in USD: 2^53 nano-USD are 9,007,199.25 USD. */
export const maxBudgetUsd = 9_000_000

/**
 * A budget in USD as whole nano-USD.
 * @param written a decimal number from 0 to `maxBudgetUsd` with at most 9 decimals.
 * @returns undefined for anything else.
 */
export function nanoOfBudget(written: string): number | undefined {
  return scaled(written, 9, maxBudgetUsd)
}
