// One call under way, as the control channel, `calls list`, `top` and the status page report it. Members are added, never
// renamed. None of them holds a prompt, an answer, a key or a header value.

/**
 * What a call does now. `reading`: the request is read and its model looked up. `in_line`: it waits for its model's limits.
 * `starting`: it waits for its provider's server to start, or for its turn to do so.
 * `connecting`: a connection to the provider is made, or the next attempt has not begun. `waiting`: the provider has the request,
 * and nothing of an answer has come. `streaming`: events arrive. `whole`: a response that is not a stream arrives.
 */
export type CallPhase = 'reading' | 'in_line' | 'starting' | 'connecting' | 'waiting' | 'streaming' | 'whole'

/** Servers of a group that do not all run at once. */
export interface ServiceTurn {
  readonly group: string
  /** Providers of its servers that run. */
  readonly running: readonly string[]
}

export interface OpenCall {
  /** As in the header `x-request-id`. A client may have chosen it, so that two calls can have the same one. */
  readonly id: string
  /** Not an alias. Null: not known yet. */
  readonly model: string | null
  readonly client: string
  /** Name of the client's key; null: it has none. */
  readonly key: string | null
  /** Tells the programs of one client apart; null: the call has not waited in line. */
  readonly program: number | null
  /** `other`: a request that is no model call. */
  readonly dialect: string
  /** Of the last attempt, or of the server that the call waits for; null before that. */
  readonly provider: string | null
  readonly target_model: string | null
  readonly phase: CallPhase
  /** ISO 8601, when the head of its request had arrived. */
  readonly started_at: string
  readonly age_ms: number
  /** The number of the last attempt; 0 before the first one. */
  readonly attempt: number
  /** In line and for the start of a server, so far and in all. */
  readonly wait_ms: number
  /** The part of it for a start. */
  readonly start_ms: number
  /** Null: it waits for no other server. */
  readonly turn: ServiceTurn | null
  /** In the phase `starting`, what it waits for, in words: `waiting for qwen to start`. */
  readonly waits_for?: string
  /** Whether the client asked for a stream. */
  readonly stream: boolean
  /** As the provider has counted them, else an estimate; null: nothing is known of them. */
  readonly prompt_tokens: number | null
  /** Of the answer so far, estimated until the provider counts them. */
  readonly tokens: number
  /** Over the last seconds, or since the first token; null: not known yet. */
  readonly tokens_per_second: number | null
  /** From the start of the call, its time in line included; null: none has come, or the response is not a stream. */
  readonly first_token_ms: number | null
}
