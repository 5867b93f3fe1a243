// Counts a response's tokens as it passes: as the provider reports them, and by what is seen of the response meanwhile, in
// case it reports nothing or is cut off.
import { defaultTokensPerByte } from '../../admission/estimate.ts'
import {
  completeUsage,
  isWholeCount,
  newerUsage,
  type PartialUsage,
  type PromptProgress,
  type ReadProgress,
  type UsageReader,
} from '../../dialects/usage.ts'
import type { Usage } from '../../domain.ts'
import { isComment } from '../../bytes/sse.ts'

/** What was metered. `isEstimated`: the provider did not count all of it, or the response was cut before it did. */
export interface Metered extends Usage {
  readonly isEstimated: boolean
}

/** Where the usage of a response that is too large to be held is looked for: in its first and its last bytes. */
export const usageWindowBytes = 4_096

export interface MeterOptions {
  /** Of the provider's dialect. */
  readonly reader: UsageReader
  /** Tokens of the prompt, in case the provider does not count them. */
  readonly estimatedPrompt: number
  /** Whether the response consists of tokens; an embedding or a sound does not. */
  readonly hasOutputTokens: boolean
  /** Only the gateway requested usage: the client must not see what that added. */
  readonly stripsUsage: boolean
  /** Of a stream on which the gateway alone asked how far the server is with the prompt. Absent: it did not. */
  readonly progressIn?: ReadProgress | undefined
  /** Milliseconds of the monotonic clock; read once, at the first piece of a stream's output. */
  readonly now: () => number
}

/** Longer pieces are several tokens: those of a call of a tool that had to be whole. */
const maxTokenBytes = 24

function tokensOf(textBytes: number): number {
  return textBytes > maxTokenBytes ? Math.ceil(textBytes * defaultTokensPerByte) : 1
}

/** Counts what comes before a stream is known to be an answer. */
export interface PromptWatch {
  readonly progressIn: ReadProgress
  readonly meter: Meter
}

/** How a response ended. */
type End = 'complete' | 'failed' | 'cut' | 'left'

export class Meter {
  readonly #options: MeterOptions
  /** When the first piece of a stream's output came, in milliseconds of the monotonic clock. */
  firstTokenAtMs: number | undefined
  #usage: PartialUsage | undefined
  #progress: PromptProgress | undefined
  /** Events with a piece of the output. */
  #pieces = 0
  #textBytes = 0
  /** Of llama.cpp's pieces, each of which is a token. */
  #tokens = 0
  /** Output has come after the provider's last count. */
  #isCountOutdated = false
  #isUnrequested = false
  #lastEvent: Buffer | undefined
  #lastButOne: Buffer | undefined
  #wholeBytes = 0

  constructor(options: MeterOptions) {
    this.#options = options
  }

  /** Counts a stream's event. Returns what of it is for the client; the event may be shortened in place. */
  observe(event: Buffer): Buffer | undefined {
    if (isComment(event)) return event
    if (this.#options.progressIn !== undefined && this.#pieces === 0) {
      const progress = this.#options.progressIn(event)
      if (progress !== undefined) {
        this.#progress = progress
        return undefined
      }
    }
    this.#lastButOne = this.#lastEvent
    const { reader, stripsUsage, hasOutputTokens } = this.#options
    const textBytes = hasOutputTokens ? reader.textBytes(event) : 0
    if (textBytes > 0) {
      if (this.#pieces === 0) this.firstTokenAtMs = this.#options.now()
      this.#pieces += 1
      if (this.#progress !== undefined) this.#tokens += tokensOf(textBytes)
      this.#textBytes += textBytes
      this.#isCountOutdated = true
    }
    const read = reader.readEvent(event)
    if (read !== undefined) {
      this.#take(read.usage)
      this.#isUnrequested ||= read.isUnrequested
    }
    const passed = stripsUsage ? reader.withoutRequested(event, read) : event
    this.#lastEvent = passed ?? event
    return passed
  }

  /** Whether the server has reported how far it is with the prompt. */
  get hasProgress(): boolean {
    return this.#progress !== undefined
  }

  /**
   * Counts a whole JSON body.
   * @param value the parsed body, if it was parsed already.
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

  /** Whether the provider reports usage without being asked; to be read after `result`. */
  get isUsageUnrequested(): boolean {
    return this.#isUnrequested
  }

  /** Prompt and output so far, cheap enough to be called all the time. */
  seenTokens(): number {
    return this.seenPromptTokens() + this.seenOutputTokens()
  }

  /** As the provider has counted them, else as estimated. */
  seenPromptTokens(): number {
    return this.#usage?.promptTokens ?? this.#progress?.totalTokens ?? this.#options.estimatedPrompt
  }

  seenOutputTokens(): number {
    if (!this.#options.hasOutputTokens) return 0
    return Math.max(this.#usage?.completionTokens ?? 0, this.#seenOutput())
  }

  /**
   * @param end `cut`, and `left` by the client: a provider's count is not its last. After a provider's error that depends on
   * what came since: a stream of Messages begins with a count of one token of output.
   */
  result(end: End): Metered {
    const isWhole = end === 'complete' || (end === 'failed' && !this.#isCountOutdated)
    if (this.#usage === undefined) this.#readLastEvents()
    const promptTokens = this.#promptWithoutUsage(end)
    const completionTokens = this.#options.hasOutputTokens ? this.#seenOutput() + this.#underWay(end) : 0
    const cachedTokens = this.#progress?.cachedTokens
    const estimated = {
      promptTokens,
      completionTokens,
      totalTokens: promptTokens + completionTokens,
      ...(cachedTokens !== undefined && { cachedTokens }),
    }
    if (this.#usage === undefined) return { ...estimated, isEstimated: true }
    const usage = completeUsage(this.#usage, estimated)
    if (isWhole) {
      return { ...usage, isEstimated: !isWholeCount(this.#usage, this.#options.hasOutputTokens) }
    }
    const seen = Math.max(usage.completionTokens, completionTokens)
    return {
      ...usage,
      completionTokens: seen,
      totalTokens: usage.promptTokens + seen,
      isEstimated: true,
    }
  }

  /** A prompt that was left is paid for as far as the server has come with it. */
  #promptWithoutUsage(end: End): number {
    if (this.#progress === undefined) return this.#options.estimatedPrompt
    const { totalTokens, begunTokens } = this.#progress
    return end === 'complete' || this.#pieces > 0 ? totalTokens : begunTokens
  }

  #take(usage: PartialUsage | undefined): void {
    if (usage === undefined) return
    this.#usage = newerUsage(this.#usage, usage)
    this.#isCountOutdated = false
  }

  #readLastEvents(): void {
    const { reader } = this.#options
    for (const event of [this.#lastButOne, this.#lastEvent]) {
      const usage = event && reader.readLastEvent(event)
      if (usage === undefined) continue
      this.#take(usage)
      this.#isUnrequested = true
    }
  }

  /**
   * Tokens that are in no piece. llama.cpp computes and counts the one under way and the next before it notices that its
   * client has left, and the first one where all of the prompt had begun
   * (docs/trials/llama-cpp.md#whole-answers-put-together-of-streams).
   */
  #underWay(end: End): number {
    if (end !== 'left' || this.#progress === undefined) return 0
    const { totalTokens, begunTokens } = this.#progress
    if (this.#pieces === 0) return begunTokens === totalTokens ? 1 : 0
    return this.#usage === undefined || this.#isCountOutdated ? 2 : 0
  }

  /** One piece is about one token; a longer one holds more. */
  #seenOutput(): number {
    if (this.#pieces === 0) return Math.ceil(this.#wholeBytes * defaultTokensPerByte)
    if (this.#progress !== undefined) return this.#tokens
    return Math.max(this.#pieces, Math.ceil(this.#textBytes * defaultTokensPerByte))
  }
}
