// How many tokens a call will take, guessed before it is sent and learnt from what providers counted.
// Text is measured in bytes; the tokens per byte of each model and provider are observed, since no one vocabulary fits
// all models. A guess that was too low becomes debt at settle, one that was too high is given back.
import type { RequestSize } from '../domain.ts'
import { isCount } from '../platform/number-checks.ts'

export interface Estimate {
  readonly promptTokens: number
  /** What answers take on average, and a little more. */
  readonly outputTokens: number
  /** What nine of ten answers stay below. */
  readonly longOutputTokens: number
  /** Whether any answer of the model has been counted; without one, `outputTokens` is a mere guess. */
  readonly isOutputKnown: boolean
  /** The sum of the first two; what to reserve. On average a little more than calls use. */
  readonly tokens: number
  /** What the prompt surely takes, to judge whether the call can ever fit. */
  readonly minTokens: number
}

/** One model and provider in `GET /v1/limits` and in the snapshot file. */
export interface CalibrationFact {
  readonly model: string
  readonly provider: string
  /** Prompt tokens per byte of text. */
  readonly tokensPerByte: number
  /** Mean relative error of past guesses, 0 to 1. */
  readonly error: number
  readonly tokensPerMedia: number
  /**
   * Completion tokens of one answer such that it, or the client's cap where that is lower, is on average what answers take;
   * 0: none seen.
   */
  readonly outputTokens: number
  /** Mean absolute deviation from it, in tokens. */
  readonly outputDeviation: number
  /** Answers learnt from. */
  readonly samples: number
  /** Bytes of text that the rate was learnt from, older ones counting less. */
  readonly textBytes: number
  /** Prompts with media that were learnt from. */
  readonly mediaSamples: number
}

/** What was observed of one model and provider. */
type Rates = { -readonly [Key in keyof CalibrationFact]: CalibrationFact[Key] }

const tokensPerMessage = 4
const tokensPerRequest = 3
/** Least weight of a new observation; the first ones weigh more. */
const newestWeight = 0.1
/** Of an answer's length, which says nothing about the lengths of the next ones but where the kind of calls has changed. */
const newestOutputWeight = 0.2
/** How far a text of this many bytes was missed counts half as much as with a very long one. */
const halfWeightBytes = 256
/** Bytes that weigh as much as `defaultTokensPerByte` does before the first observation. */
const unseenTextBytes = 500
/** How far the reserved guess of a prompt lies above the mean at least and at most, and for each mean error. */
const [minPromptMargin, maxPromptMargin, promptMarginOfError] = [0.03, 0.2, 0.5]
/** How many mean errors the sure guess lies below the mean. */
const sureMargin = 2
/** The reserved output lies a mean deviation above the mean, and at most this share of the mean. */
const maxOutputMargin = 0.2
/** How many mean deviations the long output lies above the mean: nine of ten answers, if their lengths are exponential. */
const longMargin = 2
/** The deviation follows faster than the mean: the first long answers after short ones end last, and must tell soon. */
const deviationGain = 2
/** Of an answer, before any was counted. Long ones are at least as long. */
const unseenOutput = 256
/** What is more is charged, but not learnt from: no model takes or gives so much in one call. */
const maxLearntTokens = 10_000_000
/** Of all prompts that count, in a saved file. */
const maxTextBytes = 1e12
/**
 * Tokens in a byte of text that nobody has counted: a little above the four characters to a token that OpenAI tells of English
 * (https://help.openai.com/en/articles/4936856), because code and other languages take more.
 */
export const defaultTokensPerByte = 0.27

export class Calibration {
  /** Model → provider → what was observed. */
  readonly #byModel = new Map<string, Map<string, Rates>>()

  /** Prompt with its margin of error plus predicted output; `tpm` bounds the latter, never the prompt. */
  estimate(model: string, provider: string, size: RequestSize, tpm: number | undefined): Estimate {
    const rates = this.#find(model, provider) ?? defaultRates(model, provider)
    const { error } = rates
    const margin = Math.min(maxPromptMargin, minPromptMargin + promptMarginOfError * error)
    const known = knownTokens(size)
    const text = rates.tokensPerByte * size.textBytes
    const media = rates.tokensPerMedia * size.mediaCount
    const promptTokens = Math.ceil(text * (1 + margin) + media) + known
    const minTokens = Math.floor(text * Math.max(0, 1 - sureMargin * error)) + known
    const outputTokens = bounded(usualOutput(rates), size, { promptTokens, tpm })
    const longOutputTokens = bounded(longOutput(rates), size, { promptTokens, tpm })
    const isOutputKnown = rates.outputTokens > 0
    const tokens = promptTokens + outputTokens
    return { promptTokens, outputTokens, longOutputTokens, isOutputKnown, tokens, minTokens }
  }

  /** What the prompt is expected to take, without the margin that a reservation adds. */
  countPrompt(model: string, provider: string, size: RequestSize): number {
    const rates = this.#find(model, provider) ?? defaultRates(model, provider)
    const { tokensPerByte, tokensPerMedia } = rates
    return Math.ceil(tokensPerByte * size.textBytes + tokensPerMedia * size.mediaCount) + knownTokens(size)
  }

  /** Takes in what a provider counted. What no provider can have counted (fractions, negatives, 1e12, "7") is passed over. */
  learn(
    model: string,
    provider: string,
    size: RequestSize,
    seen: { promptTokens: unknown; completionTokens: unknown },
  ): void {
    const rates = this.#find(model, provider) ?? defaultRates(model, provider)
    const weight = Math.max(newestWeight, 1 / (rates.samples + 2))
    const learntPrompt = learnPrompt(rates, size, { promptTokens: seen.promptTokens, weight })
    const learntOutput = learnOutput(rates, size, { completionTokens: seen.completionTokens, weight })
    if (!learntPrompt && !learntOutput) return
    rates.samples++
    this.#put(rates)
  }

  /** Takes in a prompt that a server has counted by itself. */
  learnPrompt(model: string, provider: string, size: RequestSize, promptTokens: number): void {
    this.learn(model, provider, size, { promptTokens, completionTokens: undefined })
  }

  /**
   * Takes in an answer that was cut off: it would have got at least so long. Long answers are cut more often than short
   * ones, and a mean of whole ones alone would be too low. What is no longer than the mean says nothing.
   */
  learnCut(model: string, provider: string, size: RequestSize, completionTokens: number): void {
    const rates = this.#find(model, provider)
    // Without a counted answer there is no mean yet, and cut ones alone would only ever raise it.
    if (rates === undefined || rates.outputTokens === 0) return
    if (completionTokens / completionCount(size) <= rates.outputTokens) return
    const weight = Math.max(newestWeight, 1 / (rates.samples + 2))
    if (learnOutput(rates, size, { completionTokens, weight })) rates.samples++
  }

  /** What was learnt, of one model or of all. */
  describe(model?: string): CalibrationFact[] {
    const byProvider =
      model === undefined ? [...this.#byModel.values()] : [this.#byModel.get(model) ?? new Map()]
    return byProvider.flatMap((all) => Array.from(all.values(), (rates: Rates) => ({ ...rates })))
  }

  /** Takes up what `describe` gave, once it has been checked; numbers out of range are brought into it. */
  restore(facts: readonly CalibrationFact[]): void {
    for (const fact of facts) {
      this.#put({
        model: fact.model,
        provider: fact.provider,
        tokensPerByte: between(fact.tokensPerByte, 0.05, 1),
        error: between(fact.error, 0, 1),
        tokensPerMedia: between(fact.tokensPerMedia, 0, 10_000),
        outputTokens: between(fact.outputTokens, 0, maxLearntTokens),
        outputDeviation: between(fact.outputDeviation, 0, maxLearntTokens),
        samples: Math.floor(between(fact.samples, 0, Number.MAX_SAFE_INTEGER)),
        textBytes: between(fact.textBytes, unseenTextBytes, maxTextBytes),
        mediaSamples: Math.floor(between(fact.mediaSamples, 0, Number.MAX_SAFE_INTEGER)),
      })
    }
  }

  #find(model: string, provider: string): Rates | undefined {
    return this.#byModel.get(model)?.get(provider)
  }

  #put(rates: Rates): void {
    const { model, provider } = rates
    const byProvider = this.#byModel.get(model)
    if (byProvider === undefined) this.#byModel.set(model, new Map([[provider, rates]]))
    else byProvider.set(provider, rates)
  }
}

/**
 * Not the whole cap: coding agents ask for 32,000 tokens and use 500, and one such reservation would lock a model of
 * 40,000 a minute.
 * @param each of one answer, before its bounds.
 */
function bounded(
  each: number,
  size: RequestSize,
  { promptTokens, tpm = Infinity }: { promptTokens: number; tpm: number | undefined },
): number {
  const { maxOutputTokens = Infinity } = size
  const most = Math.min(maxOutputTokens, Math.ceil(each), Math.ceil(tpm / 4))
  return Math.max(0, Math.min(most * completionCount(size), tpm - promptTokens))
}

function usualOutput({ outputTokens, outputDeviation }: Rates): number {
  if (outputTokens === 0) return unseenOutput
  return outputTokens + Math.min(outputDeviation, maxOutputMargin * outputTokens)
}

function longOutput({ outputTokens, outputDeviation }: Rates): number {
  return Math.max(unseenOutput, outputTokens + longMargin * outputDeviation)
}

function learnPrompt(
  rates: Rates,
  size: RequestSize,
  seen: { promptTokens: unknown; weight: number },
): boolean {
  const { promptTokens, weight } = seen
  // 0 for a prompt that is not empty: Ollama's older versions leave out what was cached.
  if (!isPlausible(promptTokens) || promptTokens === 0) return false
  const beyondKnown = promptTokens - knownTokens(size)
  const text = rates.tokensPerByte * size.textBytes
  if (size.mediaCount > 0) {
    const perMedia = between((beyondKnown - text) / size.mediaCount, 0, 10_000)
    // The first one replaces the guess: most models count all images of a size alike.
    rates.tokensPerMedia +=
      Math.max(newestWeight, 1 / (rates.mediaSamples + 1)) * (perMedia - rates.tokensPerMedia)
    rates.mediaSamples++
    return true
  }
  if (size.textBytes === 0) return false
  const missedBy = Math.min(1, Math.abs(text - beyondKnown) / promptTokens)
  rates.error += weight * (size.textBytes / (size.textBytes + halfWeightBytes)) * (missedBy - rates.error)
  // Of all tokens to all bytes, so that the guesses add up to what was counted, however prompts differ.
  const seenTokens = between(beyondKnown, 0.05 * size.textBytes, size.textBytes)
  const olderBytes = rates.textBytes * (1 - newestWeight)
  rates.textBytes = olderBytes + size.textBytes
  rates.tokensPerByte = (rates.tokensPerByte * olderBytes + seenTokens) / rates.textBytes
  return true
}

/**
 * Mean and deviation as TCP keeps them of its round trips (RFC 6298 section 2). An answer counts against what was expected of
 * it, the client's cap included: else those that are capped low would keep the others' guess below what they take.
 */
function learnOutput(
  rates: Rates,
  size: RequestSize,
  seen: { completionTokens: unknown; weight: number },
): boolean {
  if (!isPlausible(seen.completionTokens) || seen.completionTokens === 0) return false
  const each = seen.completionTokens / completionCount(size)
  const weight = Math.max(newestOutputWeight, seen.weight)
  const before = rates.outputTokens === 0 ? unseenOutput : rates.outputTokens
  const missedBy = each - Math.min(before, size.maxOutputTokens ?? Infinity)
  if (rates.outputTokens === 0) rates.outputDeviation = each / 2
  else
    rates.outputDeviation +=
      Math.min(1, deviationGain * weight) * (Math.abs(missedBy) - rates.outputDeviation)
  rates.outputTokens = Math.max(1, before + weight * missedBy)
  return true
}

/** What is assumed before the first response. */
function defaultRates(model: string, provider: string): Rates {
  return {
    model,
    provider,
    tokensPerByte: defaultTokensPerByte,
    error: 0.2,
    tokensPerMedia: 1000,
    outputTokens: 0,
    outputDeviation: 0,
    samples: 0,
    textBytes: unseenTextBytes,
    mediaSamples: 0,
  }
}

function knownTokens(size: RequestSize): number {
  return tokensPerMessage * size.messageCount + tokensPerRequest + size.tokenIdCount
}

function completionCount(size: RequestSize): number {
  return between(size.choices, 1, 1024) * between(size.promptCount, 1, 100_000)
}

function isPlausible(value: unknown): value is number {
  return isCount(value) && value <= maxLearntTokens
}

function between(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, Number.isFinite(value) ? value : least))
}
