// What the call's story knows of a wire format. One file per format implements it; `table.ts` lists them.
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
}

/** What an error says, the gateway's own or a provider's. */
export interface ErrorWords {
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
  /** The event that tells this format's clients that the answer is broken. */
  errorEvent(error: ErrorWords): Buffer
}

/** Enough for a last choice, a usage event and `[DONE]`. */
export const tailLength = 3
