// Translates between a client's format and a provider's during one attempt. `pass` keeps the bytes; each further pair is a
// folder translate/CLIENT_PROVIDER/, listed in table.ts.
import type { ProviderTraits } from '../config/provider-types.ts'
import type { ResponseHead } from '../domain.ts'
import type { GatewayError } from '../errors.ts'
import type { SplicedBody } from '../bytes/large-body.ts'
import type { Coverage } from './coverage.ts'
import type { ProviderDialect } from './dialect.ts'
import type { ModelRequest } from './request.ts'
import type { ReadProgress } from './usage.ts'

/** A translator from a client's format to a provider's. Stateless: `begin` creates the state of one attempt. */
export interface Translator {
  /** `pass` or `CLIENT_PROVIDER`; for the log. */
  readonly way: string
  /** The dialect of the outgoing request, in which the response is checked and metered before it is translated. */
  readonly provider: ProviderDialect
  /** What the translation carries. Absent: all of it, as bytes. */
  readonly coverage?: Coverage
  /** Whether the gateway may request usage on this stream, because the client did not. */
  readonly mayAskUsage: (request: ModelRequest) => boolean
  /**
   * Begins an attempt. Called once for each, with the request as it was received, because attempts of one call may use
   * different translators.
   * @returns an error if the provider's format cannot express the request: `not_translatable`, with the member as `param`.
   * A target that supports the client's format may still accept it.
   */
  readonly begin: (request: ModelRequest, target: TranslationTarget) => Translation | GatewayError
}

export interface TranslationTarget {
  /** Of the provider, for refusals. */
  readonly providerName: string
  /** The provider's name for the model. */
  readonly model: string
  /** In what the provider's server differs from others of its format. */
  readonly traits: ProviderTraits
  /**
   * Whether a stream is requested in place of a whole answer, if the request allows it; `progress`: a stream, whoever wants it,
   * also reports how far the server is with the prompt.
   */
  readonly wholeAsStream?: 'plain' | 'progress' | undefined
  /** Requests usage from the provider; only if `mayAskUsage`. */
  readonly asksUsage: boolean
  /** As estimated, for formats that report the prompt before the provider has counted it. */
  readonly promptTokens: number
  /** Whether a request may change how the provider's server holds its models. */
  readonly allowsManagement: boolean
  /** Milliseconds of the monotonic clock, for formats that report how long a response took. */
  readonly now: () => number
  /** Unix time in seconds, for formats that report when a response was created. */
  readonly nowSeconds: number
  /** Letters and digits for an id of the response or of a part of it, at random: 24 of them. */
  readonly newId: () => string
}

/** The translation of one attempt. The request's bytes are valid until the call ends. */
export interface Translation {
  readonly contentType: string
  /** Copies members that have the same form in both formats as slices of the request, and never encodes it as a whole. */
  readonly body: Buffer | SplicedBody
  /** Names of the request's members that were left out, each once: `tools.cache_control`. Absent: none. */
  readonly dropped?: readonly string[] | undefined
  /** Absent: the client receives the response byte for byte, without translation. */
  readonly response?: ResponseTranslation
  /** The request asks for a stream, of which the whole answer is put together that the client requested. */
  readonly assembly?: Assembly
  /** Of a stream that was asked how far the server is with the prompt. Absent: it was not, or its client wants to know. */
  readonly progressIn?: ReadProgress | undefined
  /** For a response without translation in another form than the client requested. Absent: it passes as it is. */
  readonly reshape?: Reshape | undefined
}

/** Makes a whole answer of the stream that was requested in its place. */
export interface Assembly extends Pick<ResponseTranslation, 'event'> {
  /** The answer's body; an error if the events amount to none. */
  end(): Buffer | GatewayError
  /** @returns the content type of the answer. Absent: llama.cpp's. */
  readonly contentTypeOf?: ResponseTranslation['head']
}

/** Between the two forms of one format, for servers that ignore `stream`. */
export interface Reshape {
  /** Of a format in which llama.cpp reports how far it is with a prompt. Absent: it does not. */
  readonly progressIn?: ReadProgress
  /**
   * Events that were requested in place of a whole body become the body that llama.cpp would have sent, which has the most to
   * lose. Absent: such events are not requested.
   */
  readonly assemble?: () => Assembly
  /** Events become a whole body. Absent: they pass as they are. */
  readonly toWhole?: () => ResponseTranslation
  /**
   * A whole body becomes events.
   * @param value the body's JSON.
   * @param body the bytes of it.
   * @param hasUsage whether the client receives the usage where it is an event of its own.
   * @returns undefined if the value is no response of the format.
   */
  readonly toEvents: (value: unknown, hasUsage: boolean, body: Buffer) => ResponseTranslation | undefined
}

/**
 * Translates the response of one attempt, pushed: each method does its work before it returns, without promises, timers or
 * queues. It knows from the request whether the client wants a stream, and from `head` what the provider sends; all four
 * combinations are possible.
 *
 * Order of calls: `head` once; then for a stream `event` for each event, until one of them ends the response, and `end` once
 * it is complete; for any other body `whole` once. For an error response `error` alone, without `head`. An attempt may be
 * abandoned after any call.
 *
 * Bytes that come in belong to the provider's response and are valid during the call: what is kept is copied. Bytes that are
 * written or returned belong to the receiver.
 */
export interface ResponseTranslation {
  /** @returns the content type of the client's response. */
  head(head: ResponseHead): string
  /**
   * Translates an event of the provider, after it was metered; comments are left out. Writes any number of whole events for
   * the client. An event that reports an error becomes an error event; if the client wants a whole body, the caller reports
   * the error.
   */
  event(event: Buffer, write: Write): TranslatedStep
  /** The response is complete, by what `event` has returned or because the provider's stream has ended. */
  end(write: Write): TranslatedEnd
  /**
   * @param body whatever the head's media type is, and never compressed; at most 16 MiB.
   * @param value the parsed body, where it was parsed already.
   */
  whole(body: Buffer, value: unknown, write: Write): TranslatedEnd
  /**
   * The body of a provider's error response in the client's envelope, as JSON.
   * @param requestId of the call, for formats that repeat it in the envelope.
   */
  error(head: ResponseHead, body: Buffer, requestId: string): Buffer
  /** The client's status for the provider's status of an error response. Absent: the same. */
  errorStatus?(status: number): number
  /** In place of the dialect's heartbeat, once something was written: between two events, never within one. */
  heartbeat(): Buffer
}

/** Sends bytes of a stream to the client. The receiver handles backpressure. */
export type Write = (bytes: Buffer) => void

/**
 * What follows an event. Undefined: further events. Nothing is translated after any of the others. `over`, at the end mark
 * of the provider's format at the latest: `end` is called, whether or not the provider's stream goes on. `failed`: the
 * provider has reported an error. An error for the client: the provider's stream breaks its format.
 */
export type TranslatedStep = 'over' | 'failed' | GatewayError | undefined

/**
 * What remains to be sent: the whole body for a client that requested one; nothing after a stream, whose last events were
 * written; an error for the client if the response cannot be expressed or is incomplete.
 */
export type TranslatedEnd = Buffer | GatewayError | undefined
