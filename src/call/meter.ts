// Counts an answer's tokens as it passes: what the provider says of them, and what is seen of the answer meanwhile,
// for the case that it says nothing or is cut off.
import { defaultTokensPerByte } from '../admission/estimate.ts'
import {
  completeUsage,
  findUsage,
  isWholeCount,
  newerUsage,
  type PartialUsage,
  usageMembers,
} from '../dialects/usage.ts'
import type { Usage } from '../domain.ts'
import { readJson, scanJson } from '../http/json-scan.ts'
import { eventData } from '../http/sse.ts'

/** What was metered. `isEstimated`: the provider did not count all of it, or the answer was cut before it did. */
export interface Metered extends Usage {
  readonly isEstimated: boolean
}

/** A stream's first and last chunk carry no text. */
const emptyPieces = 2

const COLON = 0x3a
const SPACE = 0x20
const NULL_START = 0x6e
const OPENING = 0x7b
const CLOSING = 0x7d
const choicesKey = Buffer.from('"choices"')
const deltaKey = Buffer.from('"delta"')
const usageKey = Buffer.from('"usage"')
const timingsKey = Buffer.from('"timings"')

/** Where the usage of an answer too large to be held is looked for: at its head and at its end. */
export const usageWindowBytes = 4_096

export interface MeterOptions {
  /** Tokens of the prompt, should nobody count them. */
  readonly estimatedPrompt: number
  /** Whether the answer is made of tokens; an embedding or a sound is not. */
  readonly hasOutputTokens: boolean
  /** Usage was asked for on behalf of the gateway alone: the client must not see the event that brings it. */
  readonly hidesUsage: boolean
}

export class Meter {
  readonly #options: MeterOptions
  #usage: PartialUsage | undefined
  /** Events with a piece of the answer. */
  #pieces = 0
  #pieceBytes = 0
  #shortestPiece = Infinity
  #lastEvent: Buffer | undefined
  #lastButOne: Buffer | undefined
  #wholeBytes = 0

  constructor(options: MeterOptions) {
    this.#options = options
  }

  /** Takes note of a stream's event. False: it is not for the client. */
  passes(event: Buffer): boolean {
    if (event[0] === COLON) return true
    this.#lastButOne = this.#lastEvent
    this.#lastEvent = event
    if (event.includes(choicesKey) || event.includes(deltaKey)) {
      this.#pieces += 1
      this.#pieceBytes += event.length
      if (event.length < this.#shortestPiece) this.#shortestPiece = event.length
    }
    if (!mayHoldUsage(event)) return true
    const data = parse(eventData(event))
    this.#take(data)
    return !(this.#options.hidesUsage && isUsageOnly(data))
  }

  /**
   * Takes note of a whole JSON answer.
   * @param value what it says, if it was parsed already.
   */
  readWhole(body: Buffer, value?: unknown): void {
    this.#wholeBytes = body.length
    if (value !== undefined) return this.#take(value)
    const outcome = scanJson(body, usageMembers)
    if (!outcome.ok) return
    const { members } = outcome.scan
    this.#take(Object.fromEntries(Array.from(members, ([name, member]) => [name, readJson(body, member)])))
  }

  /** Takes note of the bytes of an answer that is not held. */
  countBytes(length: number): void {
    this.#wholeBytes += length
  }

  /** Looks for usage in the head or the end of an answer that is not held. */
  readPart(part: Buffer): void {
    const at = part.lastIndexOf(usageKey)
    if (at >= 0) this.#take({ usage: parse(objectAt(part, at + usageKey.length)) })
  }

  /** Prompt and output so far, cheap enough to ask all the time. */
  seenTokens(): number {
    const { promptTokens = this.#options.estimatedPrompt, completionTokens = 0 } = this.#usage ?? {}
    return promptTokens + (this.#options.hasOutputTokens ? Math.max(completionTokens, this.#seenOutput()) : 0)
  }

  /** @param isWhole whether the answer came to its end; before that a provider's count is not its last. */
  result(isWhole: boolean): Metered {
    if (this.#usage === undefined) this.#readTimings()
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

  #take(data: unknown): void {
    const usage = findUsage(data)
    if (usage !== undefined) this.#usage = newerUsage(this.#usage, usage)
  }

  /** llama.cpp tells of its tokens on the last chunk before `[DONE]`, asked or not. */
  #readTimings(): void {
    for (const event of [this.#lastButOne, this.#lastEvent]) {
      if (event?.includes(timingsKey) === true) this.#take(parse(eventData(event)))
    }
  }

  /** One piece is about one token; a longer one holds more. What all pieces share is no text. */
  #seenOutput(): number {
    if (this.#pieces === 0) return Math.ceil(this.#wholeBytes * defaultTokensPerByte)
    const textBytes = this.#pieceBytes - this.#pieces * this.#shortestPiece
    return Math.max(1, this.#pieces - emptyPieces, Math.ceil(textBytes * defaultTokensPerByte))
  }
}

/** Most chunks of OpenAI's have `"usage":null`; they need no parsing. Groq's last one has a second, real one. */
function mayHoldUsage(event: Buffer): boolean {
  let at = event.indexOf(usageKey)
  while (at >= 0) {
    const after = at + usageKey.length
    if (!isNullValue(event, after)) return true
    at = event.indexOf(usageKey, after)
  }
  return false
}

function isNullValue(event: Buffer, at: number): boolean {
  let index = at
  while (event[index] === COLON || event[index] === SPACE) index += 1
  return event[index] === NULL_START
}

/** The extra event that `include_usage` brings: no choice, so clients that do not expect it break on it. */
function isUsageOnly(data: unknown): boolean {
  const { choices, usage, error } = (data ?? {}) as { choices?: unknown; usage?: unknown; error?: unknown }
  const isUsage = typeof usage === 'object' && usage !== null
  return Array.isArray(choices) && choices.length === 0 && isUsage && (error === undefined || error === null)
}

/** The bytes of the object that starts after `at`, to its closing brace; undefined when it is not all there. */
function objectAt(bytes: Buffer, at: number): Buffer | undefined {
  const start = bytes.indexOf(OPENING, at)
  let depth = 0
  for (let index = start; index >= 0 && index < bytes.length; index += 1) {
    if (bytes[index] === OPENING) depth += 1
    else if (bytes[index] === CLOSING) depth -= 1
    if (depth === 0) return bytes.subarray(start, index + 1)
  }
  return undefined
}

function parse(data: Buffer | undefined): unknown {
  if (data === undefined) return undefined
  try {
    return JSON.parse(data.toString())
  } catch {
    // A provider's broken event counts nothing; the client gets it as it came.
    return undefined
  }
}
