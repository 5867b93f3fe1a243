// What the call's story knows of a wire format. One file per format implements it; `table.ts` lists them.
import type { LimitStatus } from '../domain.ts'
import type { GatewayError } from '../errors.ts'

export interface Dialect {
  /** For the log and the metrics. */
  readonly name: string
  /** Below `/v1` and below a provider's base URL. */
  readonly path: string
  readonly body: 'json' | 'multipart'
  /** Whether `stream_options.include_usage` is part of the format. */
  readonly hasStreamOptions: boolean
  /** Whether the answer is made of tokens that a model writes, so that a part of the limit is kept for it. */
  readonly hasOutputTokens: boolean
  /** Whether a text of no bytes is an answer: a transcript of silence. */
  readonly mayBeEmpty: boolean
  /** Whether `stream: true` asks for events; speech comes in pieces of sound. */
  readonly hasEvents: boolean
  readonly stream: StreamFormat
  readonly renderError: (error: GatewayError) => RenderedError
  /** Headers that report how a model's limits stand, on whatever response follows. */
  rateHeaders(status: LimitStatus): Record<string, string>
}

/** An error as a response of its own. `headers` are names and values in turn, names in lower case. */
export interface RenderedError {
  readonly status: number
  readonly headers: readonly string[]
  readonly body: Buffer
}

/** What an error says, in a provider's words. */
export interface ErrorFields {
  readonly message: string
  readonly type: string | null
  readonly param: string | null
  readonly code: string | number | null
}

/** How the events of a streamed answer end, well or badly. */
export interface StreamFormat {
  /**
   * Reads the last events of a stream that has ended (the newest last, at most `tailLength`).
   * `cut`: nothing in them says that the answer is whole.
   */
  ending(tail: readonly Buffer[]): 'complete' | 'error' | 'cut'
  /** The event that reports the error to this format's clients. */
  errorEvent(error: GatewayError | ErrorFields): Buffer
}

/** Enough for a last choice, a usage event and `[DONE]`. */
export const tailLength = 3
