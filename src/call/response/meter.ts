// Counts a response's tokens as it passes: as the provider reports them, and by what is seen of the response meanwhile, in
// case it reports nothing or is cut off.
import { defaultTokensPerByte } from '../../admission/estimate.ts'
import {
  completeUsage,
  isWholeCount,
  newerUsage,
  type PartialUsage,
  type UsageReader,
} from '../../dialects/usage.ts'
import type { Usage } from '../../domain.ts'

/** What was metered. `isEstimated`: the provider did not count all of it, or the response was cut before it did. */
export interface Metered extends Usage {
  readonly isEstimated: boolean
}

/** A stream's first and last chunk carry no text. */
const emptyPieces = 2

const COLON = 0x3a

/** Where the usage of a response that is too large to be held is looked for: in its first and its last bytes. */
export const usageWindowBytes = 4_096

export interface MeterOptions {
  /** Of the provider's dialect. */
  readonly reader: UsageReader
  /** Tokens of the prompt, should nobody count them. */
  readonly estimatedPrompt: number
  /** Whether the response consists of tokens; an embedding or a sound does not. */
  readonly hasOutputTokens: boolean
  /** Usage was asked for on behalf of the gateway alone: the client must not see the event that brings it. */
  readonly stripsUsage: boolean
}

export class Meter {
  readonly #options: MeterOptions
  #usage: PartialUsage | undefined
  /** Events with a piece of the output. */
  #pieces = 0
  #pieceBytes = 0
  #shortestPiece = Infinity
  #lastEvent: Buffer | undefined
  #lastButOne: Buffer | undefined
  #wholeBytes = 0

  constructor(options: MeterOptions) {
    this.#options = options
  }

  /** Counts a stream's event. `drop`: it is not for the client. */
  observe(event: Buffer): 'forward' | 'drop' {
    if (event[0] === COLON) return 'forward'
    this.#lastButOne = this.#lastEvent
    this.#lastEvent = event
    const { reader, stripsUsage } = this.#options
    if (reader.isPiece(event)) {
      this.#pieces += 1
      this.#pieceBytes += event.length
      if (event.length < this.#shortestPiece) this.#shortestPiece = event.length
    }
    const read = reader.readEvent(event)
    if (read === undefined) return 'forward'
    this.#take(read.usage)
    return stripsUsage && read.isUsageOnly ? 'drop' : 'forward'
  }

  /**
   * Counts a whole JSON body.
   * @param value what it says, if it was parsed already.
   */
  readWhole(body: Buffer, value?: unknown): void {
    this.#wholeBytes = body.length
    this.#take(this.#options.reader.readWhole(body, value))
  }

  /** Counts the bytes of a body that is not held. */
  countBytes(length: number): void {
    this.#wholeBytes += length
  }

  /** Looks for usage in the first or the last bytes of a body that is not held. */
  readPart(part: Buffer): void {
    this.#take(this.#options.reader.readPart(part))
  }

  /** Prompt and output so far, cheap enough to ask all the time. */
  seenTokens(): number {
    const { promptTokens = this.#options.estimatedPrompt, completionTokens = 0 } = this.#usage ?? {}
    return promptTokens + (this.#options.hasOutputTokens ? Math.max(completionTokens, this.#seenOutput()) : 0)
  }

  /** @param isWhole whether the response came to its end; before that a provider's count is not its last. */
  result(isWhole: boolean): Metered {
    if (this.#usage === undefined) this.#readLastEvents()
    const promptTokens = this.#options.estimatedPrompt
    const completionTokens = this.#options.hasOutputTokens ? this.#seenOutput() : 0
    const estimated = { promptTokens, completionTokens, totalTokens: promptTokens + completionTokens }
    if (this.#usage === undefined) return { ...estimated, isEstimated: true }
    const usage = completeUsage(this.#usage, estimated)
    if (isWhole) {
      return { ...usage, isEstimated: !isWholeCount(this.#usage, this.#options.hasOutputTokens) }
    }
    const seen = Math.max(usage.completionTokens, completionTokens)
    return {
      promptTokens: usage.promptTokens,
      completionTokens: seen,
      totalTokens: usage.promptTokens + seen,
      isEstimated: true,
    }
  }

  #take(usage: PartialUsage | undefined): void {
    if (usage !== undefined) this.#usage = newerUsage(this.#usage, usage)
  }

  #readLastEvents(): void {
    const { reader } = this.#options
    for (const event of [this.#lastButOne, this.#lastEvent]) {
      if (event !== undefined) this.#take(reader.readLastEvent(event))
    }
  }

  /** One piece is about one token; a longer one holds more. What all pieces share is no text. */
  #seenOutput(): number {
    if (this.#pieces === 0) return Math.ceil(this.#wholeBytes * defaultTokensPerByte)
    const textBytes = this.#pieceBytes - this.#pieces * this.#shortestPiece
    return Math.max(1, this.#pieces - emptyPieces, Math.ceil(textBytes * defaultTokensPerByte))
  }
}
