// Calls, and requests that did not become one.
import type { FailureKind, PriceSource, Tariff } from '../../domain.ts'
import type { LimitDimension } from '../../errors.ts'
import type { CallTrace } from './trace.ts'

export type CallEvent = CallEnded | CallCancelled | AttemptEnded | Refused

interface CallEnded {
  readonly kind: 'call_ended'
  readonly call: CallFacts
  /** The model whose limits the call counts against: of the file, a wildcard or listed. Absent: no such model was asked for. */
  readonly counted_model?: string | undefined
  /** Absent: the call belongs to none. */
  readonly trace?: CallTrace | undefined
}

/** A person has ended a call under way; its end follows. */
interface CallCancelled {
  readonly kind: 'call_cancelled'
  readonly request_id: string
  /** Whose call it is, and who has cancelled it. */
  readonly client: string
  readonly by: string
}

/** Everything that is known about a call when it ends, in the order of its line. Absent facts are left out. */
export interface CallFacts {
  /** `call`, or the code of the rule that refused it. */
  readonly event: string
  readonly request_id: string
  /** Of the client's trace, or of the gateway's own; the call's span, if spans are recorded. Hexadecimal. */
  readonly trace_id?: string | undefined
  readonly span_id?: string | undefined
  readonly client: string
  /** Name of the client's key, and the id of the secret of it that was used. */
  readonly key?: string | undefined
  readonly key_secret?: string | undefined
  /** What the client's limits and budgets are counted by, where it has terms: `key:ID`, `client:ID`. */
  readonly scope?: string | undefined
  /** The Unix user, address or identity that a client with a key or an identity came through. */
  readonly via?: string | undefined
  /** Tells the programs of one client apart by their turns in line, until the gateway ends. Absent: the call did not wait. */
  readonly program?: number | undefined
  readonly dialect: string
  /** Of the API's routes, of a request that passes as it is: `GET /files/{file}`. */
  readonly route: string | undefined
  readonly model: string | undefined
  /** The alias of the model that the client used. */
  readonly asked: string | undefined
  /** The condition by which the model that was asked for has led to this one: `images: true`. Absent: none has. */
  readonly rule?: string | undefined
  readonly provider: string | undefined
  readonly target_model: string | undefined
  /** The model that answered, where it is not the one that was asked for. */
  readonly fallback_model: string | undefined
  /** Why fallbacks were passed over, in order. */
  readonly passed_over: readonly string[] | undefined
  /** `pass`, or the translation of the last attempt: `messages_chat`. `assembled`, `split`: it passed in another form. */
  readonly way: string | undefined
  /** Other ways of earlier attempts, in order. */
  readonly earlier_ways: readonly string[] | undefined
  /** Names of members of the request that the last attempt left out. */
  readonly dropped: readonly string[] | undefined
  /** How many members of its request the model's `request` has set, added or dropped. Absent: none. */
  readonly changed_members?: number | undefined
  /** What the client received; 499 when it left before the end. */
  readonly status: number
  readonly stream: boolean
  readonly prompt_tokens: number | undefined
  readonly completion_tokens: number | undefined
  /** Parts of the two counts before them. */
  readonly cached_tokens: number | undefined
  readonly cache_write_tokens: number | undefined
  readonly reasoning_tokens: number | undefined
  /** The counts are not all the provider's, or the price is not certain. */
  readonly estimated: boolean | undefined
  /** What the call cost, failed attempts included, in whole nano-USD (10⁻⁹ USD); undefined: unknown, which is not 0. */
  readonly cost_nano: number | undefined
  /** Where the price of the last attempt that cost anything comes from; undefined: nowhere, as the cost is unknown. */
  readonly price: PriceSource | undefined
  /** Which leads from the counts to the cost. For the ledger; undefined: several attempts cost something, or no counts lead there. */
  readonly tariff?: Tariff | undefined
  /** In line and for the start of a server. */
  readonly wait_ms: number
  /** For the start of a server; a part of `wait_ms`. Absent: it waited for none. */
  readonly start_ms?: number | undefined
  readonly first_byte_ms: number | undefined
  /** Of a stream: when the first piece of its text, reasoning or tool calls came, from the start of the call. */
  readonly first_token_ms?: number | undefined
  /** Of a stream, in tokens per second: the prompt without what was cached, from the sending of the attempt to the first token. */
  readonly prompt_per_second?: number | undefined
  /** The output after its first token, from then to the end of the call. */
  readonly tokens_per_second?: number | undefined
  readonly duration_ms: number
  readonly gateway_ms: number
  readonly attempts: number
  /**
   * Why the target is the one that it is: a `PlacementReason` of routing, `failover` (one before it has failed) or `fallback`
   * (another model answered). Absent: there was no choice.
   */
  readonly placement?: string | undefined
  /** What was known of the target when it was chosen: `cached 3.1 KB of 4.0 KB, queue 0`. Absent: it was not compared. */
  readonly placed?: string | undefined
  readonly code: string | undefined
  /** What is wrong with the provider, by the attempt that the client's response is about. Absent: nothing. */
  readonly trouble?: FailureKind | undefined
  /** What ran out, where the gateway's own limits refused the call. */
  readonly limited_by?: LimitDimension | undefined
  readonly reason: string | undefined
  readonly provider_status: number | undefined
  readonly provider_code: string | undefined
  /** The provider's own id of the last attempt's request. */
  readonly provider_request_id: string | undefined
}

/** One try at one target is over, or has begun to answer. Counted, not logged. */
export interface AttemptEnded {
  readonly kind: 'attempt_ended'
  readonly request_id: string
  readonly provider: string
  readonly target_model: string
  /** As in `CallFacts`. */
  readonly way: string
  /** `refused`: the provider's own error; `gone`: the client left first. */
  readonly outcome: 'answered' | 'refused' | 'failed' | 'gone'
  /** The provider's; undefined when none came. */
  readonly status: number | undefined
  /** The provider's code of a refusal, the gateway's of a failure. */
  readonly code: string | undefined
  /** Of a refusal, the provider's words as far as they may be logged; of a failure, the gateway's and those. */
  readonly reason?: string | undefined
  /** What that shows of the provider. Absent: nothing is wrong with it. */
  readonly trouble?: FailureKind | undefined
  /** From the sending of the request until the outcome was known. */
  readonly ms: number
}

/** A guard refused a request before it was routed, or a connection before it was read. */
interface Refused {
  readonly kind: 'refused'
  readonly request_id?: string
  readonly client: string
  readonly method: string | undefined
  readonly code: string
  readonly status: number
  readonly reason: string
  /** The client left before its user was looked up: nobody was turned away. */
  readonly has_left?: boolean
  /** Refusals like this one since the last event, which were not emitted. */
  readonly unlogged?: number
}
