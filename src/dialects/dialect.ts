// A wire format, as clients use it and as providers use it. Requests, errors and heartbeats of a call use its client's
// dialect; its response is checked and metered in the provider's. `table.ts` lists the implementations.
import type { ProviderTraits } from '../config/provider-types.ts'
import type { LimitStatus, ResponseHead } from '../domain.ts'
import type { GatewayError } from '../errors.ts'
import type { JsonScanner } from '../bytes/json/scanner.ts'
import type { LargeBody } from '../bytes/large-body.ts'
import type { Framing } from './framing.ts'
import type { ModelRequest } from './request.ts'
import type { UsageReader } from './usage.ts'
import type { WholeJudgement } from './whole-response.ts'

/** A request as its client sent it. */
export interface ReceivedRequest {
  /** Of one of the dialect's `bodies`; JSON if it is absent. */
  readonly contentType: string | undefined
  readonly body: Buffer | LargeBody
  /** Named by the path, as at Azure: it counts whatever the body names, and the body need not name one. */
  readonly model?: string | undefined
}

export type BodyKind = 'json' | 'multipart'

/** A format at the client's end. One object without state serves all calls. */
export interface ClientDialect {
  /** For the log and the metrics. */
  readonly name: string
  /** Below `/v1`. */
  readonly path: string
  /** How the body may be written; the first is the usual one. */
  readonly bodies: readonly BodyKind[]
  /** Whether `stream: true` requests events; speech is streamed as audio data. */
  readonly hasEvents: boolean
  /** Whether the response consists of generated tokens, so that the reservation includes them. */
  readonly hasOutputTokens: boolean
  /** False where providers charge by pictures, minutes or searches, too. Absent: true. */
  readonly isPaidByTokens?: boolean
  /** The same format at the provider's end: requests to a provider that supports it pass unchanged. */
  readonly native: ProviderDialect
  /** For a large body: reads it as it arrives, into the outcome that `LargeBody.scan` hands to `readRequest`. */
  readonly scannerOf: (contentType: string | undefined, bytes: Buffer) => JsonScanner | undefined
  /**
   * @param defaultModel for a request that names none.
   * @returns for a request that is malformed, the error `invalid_request`, which names what is wrong and where.
   */
  readonly readRequest: (received: ReceivedRequest, defaultModel?: string) => ModelRequest | GatewayError
  readonly renderError: (error: GatewayError, about: ErrorContext) => RenderedError
  /** What the gateway itself writes into a stream. Called once for each call; most calls need nothing of it. */
  readonly ownEvents: (requestId: string) => OwnEvents
  /** Headers that report the state of a model's limits, for any response. @param wallNowMs milliseconds since 1970. */
  readonly rateHeaders: (status: LimitStatus, wallNowMs: number) => Record<string, string>
  /**
   * Whether a header of the client's request goes to a provider that supports the format. Absent: none does, besides those
   * that the gateway writes itself.
   * @param name in whatever case.
   */
  readonly carriesRequestHeader?: (name: string, traits: ProviderTraits) => boolean
  /**
   * Whether a header of such a provider's response goes to the client. Absent: none does, besides those of all formats.
   * @param name in lower case.
   */
  readonly carriesResponseHeader?: (name: string) => boolean
  /** For a name that no model has: without what clients of the format add to names; undefined if nothing was added. */
  readonly plainModelName?: (model: string) => string | undefined
  /** Whether clients of the format recognize by an error that a prompt is too long for the model. Absent: by OpenAI's code. */
  readonly recognizesOverflow?: (error: ErrorFields) => boolean
  /** The route counts the tokens of a prompt, in place of a response to it. Absent: it does not. */
  readonly count?: PromptCount
  /**
   * The answer to a request that only loads a model (`onlyLoads`), where its servers cannot be asked to. Absent: the format
   * has no such requests.
   */
  readonly renderLoaded?: (model: string, done: 'load' | 'unload', wallNowMs: number) => Buffer
  /** The header with the provider's id of the request; the gateway's where there is none. Absent: the format has none. */
  readonly requestIdHeader?: string
}

/** How a format writes the number of tokens of a prompt. */
export interface PromptCount {
  /** Whether a provider's response is one. */
  readonly isCount: (body: Buffer) => boolean
  /** As JSON. */
  readonly render: (promptTokens: number) => Buffer
}

/** What a format writes of the request and the time beside an error. */
export interface ErrorContext {
  readonly requestId: string
  /** The wall clock, milliseconds since 1970. */
  readonly wallNowMs: number
}

/** The gateway's own words in one stream of a client. */
export interface OwnEvents {
  /** Whole events go to the client. Called for each write, so it does next to nothing. */
  sent(bytes: Buffer): void
  /**
   * What keeps a silent stream alive, before its first event and between any two. Clients must count it as a sign of
   * life, and none may take it for a part of the response.
   * @param silentMs since the last event for the client, or since the call began.
   */
  heartbeat(silentMs: number): Buffer
  /** The events that report the error in a stream that has begun; its last. With the time after which to retry, if known. */
  error(error: GatewayError | ErrorFields): Buffer
}

/** A format at the provider's end. One object without state serves all calls. */
export interface ProviderDialect {
  /** For the log. */
  readonly name: string
  /** Below a provider's base URL; below the server's root with a second slash. */
  readonly path: string
  /** How its streams are framed, at both ends. Absent: as server-sent events. */
  readonly framing?: Framing
  /**
   * Of a route that few servers have: what a client does without it, as a sentence. A call is 404 where no provider has it.
   */
  readonly withoutRoute?: string
  /** The client has chosen the server: that it has no such route is its answer. Absent: the provider is at fault. */
  readonly isRouteOptional?: true
  /** Whether the data of a stream's first event says that nothing follows: the stream is empty. */
  readonly isEndMark: (data: Buffer) => boolean
  /**
   * Whether an event's data has nothing of an answer yet (a role, the response's id), so that the response may still turn
   * out to be an error, and another target may answer instead.
   */
  readonly isPreamble: (data: Buffer) => boolean
  /**
   * The event as readers of SSE understand it: an error that a server writes in a form of its own becomes data. Called for
   * each event, and returns nearly all of them as they are.
   */
  readonly standardEvent: (event: Buffer) => Buffer
  /** The head of the error response that an event's data could have been the body of; undefined when it reports no error. */
  readonly errorHeadOf: (data: Buffer) => ResponseHead | undefined
  /** @param body read to its end. Valid only during the call. */
  readonly judgeWhole: (head: ResponseHead, body: Buffer) => WholeJudgement
  /**
   * Reads the last events of a stream (`StreamTail`, without comments). `over`: they hold the end
   * mark, so that the response is whole even if the body has not ended. `complete`: it is whole if the body ends here.
   * `cut`: nothing in them says that it is whole.
   */
  readonly ending: (tail: readonly Buffer[]) => StreamEnding
  /** The error in a body; undefined if it has no message in a known form. */
  readonly readErrorFields: (body: Buffer) => ErrorFields | undefined
  /** The code in an error body, for the log and for the retry rule. At most 64 characters. */
  readonly readErrorCode: (body: Buffer) => string | undefined
  readonly usage: UsageReader
  /** Whether an error body may be about the request for usage that the gateway adds to a stream. */
  readonly mayRefuseUsage: (head: ResponseHead, body: Buffer) => boolean
}

export type StreamEnding = 'over' | 'complete' | 'error' | 'cut'

/** An error as a response of its own. `headers` are names and values in turn, names in lower case. */
export interface RenderedError {
  readonly status: number
  readonly headers: readonly string[]
  readonly body: Buffer
}

/** An error in the words of a provider. */
export interface ErrorFields {
  readonly message: string
  readonly type: string | null
  readonly param: string | null
  readonly code: string | number | null
  /** When to ask again, in milliseconds. */
  readonly retryAfterMs?: number | undefined
}
