// How soon a target would answer a call: what has to be done before it, and what of its prompt the target has to read. For
// clouds, which have no queue, what the prompt costs takes the place of time.
import type { OpenWork } from './open-work.ts'
import { type PrefixHashes, wordsPerPrefix } from './prefix-hashes.ts'
import { type KnownPrefix, nothingKnown, type PrefixIndex } from './prefix-index.ts'
import type { PriceSetting } from '../domain.ts'
import type { KnownModel } from './server-facts.ts'
import type { TargetRate } from './target-rates.ts'

/** How a provider keeps prompts, and how many calls it answers at once. */
export interface ServerTraits {
  /**
   * `slots`: each call takes one slot with its cache, which no other can use meanwhile (llama.cpp, Ollama). `shared`: calls
   * use one cache together (vLLM). `paid`: a cloud, where cached tokens cost less.
   */
  readonly cache: 'slots' | 'shared' | 'paid'
  /** Undefined: not known. */
  readonly slots: number | undefined
}

/** Of a prompt of which nothing is known: 500 tokens of 4 bytes a second. */
const usualReadMsPerByte = 0.5

/** Two targets are equally fast if their rates differ by less than this factor: measurements vary by more. */
const sameRate = 1.3
/** A prompt is read more slowly while the server writes an answer, for each of these. */
const slowdown = 0.25
/** A cloud caches prompts of 1,024 tokens and more (https://platform.openai.com/docs/guides/prompt-caching). */
const minPaidBytes = 4_096
/** For five minutes after its last use (https://docs.claude.com/en/docs/build-with-claude/prompt-caching). */
const paidCacheMs = 300_000
/** Of the price of a token that is not cached: between those of the two. */
const usualCachedPrice = 0.25

/**
 * The read rates of a tier's targets, in milliseconds a byte: of those that are not known, the mean of the others; and one
 * for all if they are alike, so that calls are spread over them.
 */
export function comparableRates(rates: readonly TargetRate[]): number[] {
  const known = rates.map(({ readMsPerByte }) => readMsPerByte).filter((rate) => rate !== undefined)
  if (known.length === 0) return rates.map(() => usualReadMsPerByte)
  const mean = known.reduce((sum, rate) => sum + rate, 0) / known.length
  const isAlike = Math.max(...known) <= Math.min(...known) * sameRate
  return rates.map(({ readMsPerByte }) => (isAlike ? mean : (readMsPerByte ?? mean)))
}

export interface CachedPrompt {
  readonly provider: string
  readonly target: string
  readonly hashes: PrefixHashes
  readonly traits: ServerTraits
}

/** How much of a prompt a target can use of what it has cached. */
export function usablePrefix(
  { provider, target, hashes, traits: { cache } }: CachedPrompt,
  { index, work }: { readonly index: PrefixIndex; readonly work: OpenWork },
  nowMs: number,
): KnownPrefix {
  const found = index.find(target, hashes, cache === 'paid' ? nowMs - paidCacheMs : 0)
  if (cache === 'paid') return found.bytes < minPaidBytes ? nothingKnown : found
  if (cache === 'shared') return found
  if (found.count === 0) return found
  const common = work.commonWith(provider, target, hashes)
  // A copy in a slot that is in use can't be used; another one may lie in a free slot.
  for (let { count } = found; count > 0; count -= 1) {
    const bytes = hashes[(count - 1) * wordsPerPrefix + 2]!
    const inUse = common.filter((shared) => shared >= bytes).length
    if (inUse === 0 || inUse < index.branchesAt(target, hashes, count)) return { ...found, bytes, count }
  }
  return nothingKnown
}

/** Of a model of a few GB from a disk; from the memory of the system it takes less. */
const loadMs = { loaded: 0, loading: 5_000, sleeping: 5_000, unloaded: 10_000 } as const

/** How long it takes before a model can be asked. */
export function loadMsOf(state: KnownModel['state']): number {
  return state === undefined ? 0 : loadMs[state]
}

export interface ExpectedWork {
  readonly promptBytes: number
  /** Of the prompt, at the target. */
  readonly cachedBytes: number
  readonly readMsPerByte: number
  /** Calls that the target answers at once. */
  readonly slots: number
  /** Calls under way at the provider. */
  readonly queue: number
  /** Until the model is loaded. */
  readonly loadMs: number
}

/** Milliseconds until the first token of a call that is sent now. */
export function expectedMs(
  provider: string,
  { promptBytes, cachedBytes, readMsPerByte, slots, queue, loadMs }: ExpectedWork,
  work: OpenWork,
  nowMs: number,
): number {
  const readMs = (promptBytes - cachedBytes) * readMsPerByte * (1 + slowdown * work.writing(provider))
  return (
    loadMs + Math.max(work.readingMs(provider, nowMs), work.slotMs(provider, slots, queue, nowMs)) + readMs
  )
}

/**
 * What a prompt costs, in bytes at the full price.
 * @param price of the target; absent: usual.
 */
export function expectedPrice(
  promptBytes: number,
  cachedBytes: number,
  price: PriceSetting | undefined,
): number {
  return promptBytes - cachedBytes * (1 - cachedPriceOf(price))
}

/** As a share of the full price. */
function cachedPriceOf(price: PriceSetting | undefined): number {
  if (price === undefined || typeof price === 'string') return usualCachedPrice
  const { input, cachedInput } = price.rates
  return input > 0 ? cachedInput / input : 1
}
