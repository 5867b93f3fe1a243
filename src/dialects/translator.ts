// What stands between a client's format and a provider's during one attempt. `pass` keeps the bytes; each further pair is a
// folder translate/CLIENT_PROVIDER/, listed in table.ts.
import type { ResponseHead } from '../domain.ts'
import type { GatewayError } from '../errors.ts'
import type { SplicedBody } from '../http/large-body.ts'
import type { ProviderDialect } from './dialect.ts'
import type { ModelRequest } from './request.ts'

/** One way from a client's format to a provider's. Without state: `begin` makes that of one attempt. */
export interface Translator {
  /** `pass` or `CLIENT_PROVIDER`; for the log. */
  readonly way: string
  /** In which the request goes out, and the response is judged and metered before it is translated. */
  readonly provider: ProviderDialect
  /** Whether the provider can be asked for usage on this stream, where the client did not ask. */
  readonly mayAskUsage: (request: ModelRequest) => boolean
  /**
   * Begins an attempt. Called once for each, with the request as it was received: attempts of one call may go different
   * ways.
   * @returns an error when the provider's format can't carry the request: `not_translatable`, with the member as `param`.
   * A target that speaks the client's format may still accept it.
   */
  readonly begin: (request: ModelRequest, target: TranslationTarget) => Translation | GatewayError
}

interface TranslationTarget {
  /** The provider's name for the model. */
  readonly model: string
  /** Asks the provider for usage; only where `mayAskUsage`. */
  readonly asksUsage: boolean
  /** As estimated, for formats that report the prompt before the provider has counted it. */
  readonly promptTokens: number
}

/** The way of one attempt. What goes to the provider is valid until the call ends. */
interface Translation {
  readonly contentType: string
  /** Copies members that have the same form in both formats as slices of the request, and never encodes it as a whole. */
  readonly body: Buffer | SplicedBody
  /** Absent: the client gets the response byte for byte, and nothing is called while it passes. */
  readonly response?: ResponseTranslation
}

/**
 * Translates the response of one attempt, pushed: each method does its work before it returns, without promises, timers or
 * queues. It knows from the request whether the client wants a stream, and from `head` what the provider sends; all four
 * combinations are possible.
 *
 * Order of calls: `head` once; then for a stream `event` for each event, and `end` once it is complete; for any other body
 * `whole` once. For an error response `error` alone, without `head`. An attempt may be abandoned after any call.
 *
 * Bytes that come in belong to the provider's response and are valid during the call: what is kept is copied. Bytes that are
 * written or returned belong to the receiver.
 */
export interface ResponseTranslation {
  /** @returns the content type of what the client gets. */
  head(head: ResponseHead): string
  /**
   * An event of the provider's, after it was metered; comments are left out. Writes whole events of the client's, none or
   * several. An event that reports an error becomes one that does, and is the last: what comes after it (an end mark)
   * becomes nothing, and `end` is not called. Where the client wants a whole body the caller reports the error.
   */
  event(event: Buffer, write: Write): void
  /** The provider's stream is complete. (One that was cut is ended by `errorEvent` of the client's dialect.) */
  end(write: Write): TranslatedEnd
  /**
   * @param body whatever the head's media type is, and never compressed; at most 16 MiB.
   * @param value the parsed body, where it was parsed already.
   */
  whole(body: Buffer, value: unknown, write: Write): TranslatedEnd
  /** The body of a provider's error response in the client's envelope, as JSON; the status stays. */
  error(head: ResponseHead, body: Buffer): Buffer
  /** In place of the dialect's heartbeat, once something was written: between two events, never within one. */
  heartbeat(): Buffer
}

/** Sends bytes of a stream to the client. Back pressure is the receiver's matter. */
type Write = (bytes: Buffer) => void

/**
 * What is left to send: the whole body for a client that wants one; nothing after a stream, whose last events were written;
 * an error when the response can't be carried or lacks its end, which the client gets as such.
 */
export type TranslatedEnd = Buffer | GatewayError | undefined
