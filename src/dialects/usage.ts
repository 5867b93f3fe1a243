// Tokens as a provider counts them, whatever its format, and how a format's counts are found.
import type { Usage, UsageParts } from '../domain.ts'

/** The counts that a response has reported. A stream may report the prompt first and the output later. */
export interface PartialUsage extends UsageParts {
  /** With what was read from a cache or written to it. */
  readonly promptTokens: number | undefined
  readonly completionTokens: number | undefined
  readonly totalTokens: number | undefined
}

/** How far a server is with the prompt of a stream. */
export interface PromptProgress {
  /** Of the whole prompt. */
  readonly totalTokens: number
  /** Processed by the time at which the server notices that its client has left: with what it has begun. */
  readonly begunTokens: number
  /** Of these, read from its cache. Undefined: not reported. */
  readonly cachedTokens: number | undefined
}

/** Reads an event that reports nothing else, and is there because the gateway asked for it; undefined for any other. */
export type ReadProgress = (event: Buffer) => PromptProgress | undefined

/** The usage that an event reports. */
export interface EventUsage {
  /** Undefined when it counts nothing. */
  readonly usage: PartialUsage | undefined
  /**
   * What of the event is there because usage was requested, and is not for a client that did not request it: all of it, or
   * the member with the usage.
   */
  readonly requested: 'event' | 'member' | undefined
  /** The provider reports usage in a form of its own, so that it need not be requested. */
  readonly isUnrequested: boolean
}

/** How a format reports usage, and how a response without it is measured. Stateless; keeps no bytes. */
export interface UsageReader {
  /**
   * Bytes of the text, reasoning and arguments that an event brings; 0 if it brings none. Called for each event, so it looks
   * for bytes and parses nothing.
   */
  readonly textBytes: (event: Buffer) => number
  /** Undefined for an event that does not mention usage. Called for each event, so it looks for bytes first. */
  readonly readEvent: (event: Buffer) => EventUsage | undefined
  /**
   * The event as the provider would have written it had the gateway not requested usage; undefined if it would not have
   * written it. Called for each event of such a stream. May shorten the event in place.
   * @param read of this event, by `readEvent`.
   */
  readonly withoutRequested: (event: Buffer, read: EventUsage | undefined) => Buffer | undefined
  /** Usage in a form that counts only if the stream had no other; called for its last events. */
  readonly readLastEvent: (event: Buffer) => PartialUsage | undefined
  /** Usage in a whole JSON response. @param value the parsed body, where it was parsed already. */
  readonly readWhole: (body: Buffer, value: unknown) => PartialUsage | undefined
  /** Usage in the first or last bytes of a response that is too large to be held. */
  readonly readPart: (part: Buffer) => PartialUsage | undefined
}

/**
 * The newer counts where there are any. Usage on a stream is cumulative (Gemini, Anthropic, vLLM's continuous form),
 * so it is never summed.
 */
export function newerUsage(older: PartialUsage | undefined, newer: PartialUsage): PartialUsage {
  if (older === undefined) return newer
  return {
    promptTokens: newer.promptTokens ?? older.promptTokens,
    completionTokens: newer.completionTokens ?? older.completionTokens,
    // An older total does not include newer output.
    totalTokens: newer.totalTokens ?? (newer.completionTokens === undefined ? older.totalTokens : undefined),
    ...partsOf(older),
    ...partsOf(newer),
  }
}

/**
 * Whether the counts are complete: of prompt, output and total, any two determine the third.
 * @param hasOutput false where the response does not consist of tokens, so that its count is known to be 0.
 */
export function isWholeCount(usage: PartialUsage, hasOutput: boolean): boolean {
  const { promptTokens, completionTokens, totalTokens } = usage
  const counts = [promptTokens, hasOutput ? completionTokens : 0, totalTokens]
  return counts.filter((known) => known !== undefined).length >= 2
}

/** Fills in missing counts from the provider's other counts, else from the estimates. */
export function completeUsage(usage: PartialUsage, estimated: Usage): Usage {
  const { promptTokens, completionTokens, totalTokens } = usage
  const parts = partsOf(usage)
  if (totalTokens === undefined) {
    const prompt = promptTokens ?? estimated.promptTokens
    const completion = completionTokens ?? estimated.completionTokens
    return {
      promptTokens: prompt,
      completionTokens: completion,
      totalTokens: prompt + completion,
      ...parts,
    }
  }
  // A total alone is the prompt's: embedding and rerank servers report nothing else.
  const prompt = promptTokens ?? Math.max(0, totalTokens - (completionTokens ?? 0))
  const completion = completionTokens ?? Math.max(0, totalTokens - prompt)
  return {
    promptTokens: prompt,
    completionTokens: completion,
    totalTokens: Math.max(totalTokens, prompt + completion),
    ...parts,
  }
}

/** Only those that were reported. */
export function partsOf(parts: UsageParts): UsageParts {
  const { cachedTokens, cacheWriteTokens, hourCacheWriteTokens, reasoningTokens } = parts
  const { reportedCostNano, serviceTier, promptMs, outputMs } = parts
  return {
    ...(cachedTokens !== undefined && { cachedTokens }),
    ...(cacheWriteTokens !== undefined && { cacheWriteTokens }),
    ...(hourCacheWriteTokens !== undefined && { hourCacheWriteTokens }),
    ...(reasoningTokens !== undefined && { reasoningTokens }),
    ...(reportedCostNano !== undefined && { reportedCostNano }),
    ...(serviceTier !== undefined && { serviceTier }),
    ...(promptMs !== undefined && { promptMs }),
    ...(outputMs !== undefined && { outputMs }),
  }
}

export function isTokenCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
