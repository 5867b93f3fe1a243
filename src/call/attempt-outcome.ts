// What becomes of one attempt, and how a response that answers the call is read.
import type { ContextOverflow } from '../dialects/context-overflow.ts'
import type { ProviderDialect } from '../dialects/dialect.ts'
import type { ResponseTranslation } from '../dialects/translator.ts'
import type { ReadProgress } from '../dialects/usage.ts'
import type { ResponseHead } from '../domain.ts'
import type { GatewayError } from '../errors.ts'
import type { ErrorMeaning } from '../upstream/error-meaning.ts'
import type { EventReader } from './response/event-reader.ts'
import type { Meter, Metered } from './response/meter.ts'

/** How an attempt ended, or that its response answers the call. */
export type AttemptOutcome =
  | { readonly kind: 'answered'; readonly response: AnsweringResponse }
  | AttemptFailure
  /** The client has left. */
  | {
      readonly kind: 'gone'
      readonly wasSent: boolean
      /** What the provider has done by then, where its events show it. Absent: that is not known. */
      readonly used?: Metered | undefined
    }

export type AttemptFailure =
  /** The provider's own error response, which the client gets as it is, or translated. */
  | {
      readonly kind: 'refused'
      readonly head: ResponseHead
      readonly body: Buffer
      readonly providerCode: string | undefined
      readonly providerMessage: string | undefined
      readonly meaning: ErrorMeaning | undefined
      /** The prompt does not fit into the model's context there. */
      readonly overflow: ContextOverflow | undefined
      readonly translation: ResponseTranslation | undefined
      /** As of a client that has left. */
      readonly used?: Metered | undefined
    }
  | {
      readonly kind: 'failed'
      readonly error: GatewayError
      readonly providerStatus?: number
      readonly providerCode?: string | undefined
      /** With the provider's own secrets masked. Not for the client. */
      readonly providerMessage?: string | undefined
      /** The connection closed as soon as the request was on it: it had been idle, and the request was not read. */
      readonly isStaleConnection: boolean
      /** Nobody listens at the provider's address, as while a server restarts. Absent: no. */
      readonly refusedConnection?: boolean
      /** Why no connection could be made: `ECONNREFUSED`. Absent: that is not what failed. */
      readonly unreachableBy?: string
      /** The address that its name has, and why it is not connected to. Absent: that is not what failed. */
      readonly refusedAddress?: string
      /** The provider goes on with the request: another attempt would be paid for, too. Absent: no. */
      readonly isBeingServed?: boolean
      /** As of a client that has left. */
      readonly used?: Metered | undefined
      /** A body that is not a stream had begun to arrive: the provider has processed the prompt. */
      readonly hasBegun: boolean
      /** The server was not started, and will be tried again then, in milliseconds. Absent: that is not what failed. */
      readonly retryAfterMs?: number
      /** The server has no such route. It may well serve other calls, so nothing is held against it. */
      readonly isRouteMissing?: boolean
    }

/** A response that answers the call. Its body is whole, or is read as it arrives. */
export interface AnsweringResponse {
  readonly dialect: ProviderDialect
  /** Undefined: the client gets the bytes as they are. Else the body is `whole` or `events`. */
  readonly translation: ResponseTranslation | undefined
  /** What has become of a response that came in another form than requested: a whole body, or events. */
  readonly reshapedInto: 'whole' | 'events' | undefined
  readonly head: ResponseHead
  /** When the head arrived, in milliseconds of the monotonic clock. */
  readonly headAtMs: number
  /** The body, if it was held until its end. */
  readonly whole: WholeBody | undefined
  /** The events of a stream, with those that have come. */
  readonly events: EventReader | undefined
  /** The gateway requested usage, and the client did not: the event that brings it is not for the client. */
  readonly stripsUsage: boolean
  /** Reads how far the provider is with the prompt, for which the gateway asked, and the client did not. Absent: nobody did. */
  readonly progressIn?: ReadProgress | undefined
  /** Has counted the events of which an answer was put together. Absent: nothing is counted yet. */
  readonly meter?: Meter | undefined
  /** During the reader's `onData`: more may follow at once, and `onRest` or one of the ends does. Absent: never. */
  readonly isReading?: boolean
  /** The client, not the provider, stalled it. */
  readonly isStalled: boolean
  /**
   * Hands over the bytes that have arrived (for a stream, they are in `events`) and all that will.
   * Does nothing once the response is drained.
   * @param onBug called if the reader, or what comes before it, throws later on: the response has been aborted, and the
   * reader is not called again.
   */
  read(reader: ResponseReader, onBug: (error: unknown) => void): void
  /** Lets the provider wait, for two minutes at most. */
  pause(): void
  resume(): void
  /**
   * The response is whole, and no longer read: lets the provider end its body, for two seconds at most, so that its
   * connection can be used again. The reader is not called again.
   */
  drain(): void
  /** Ends the provider's request. The reader is not called again. Repeating it changes nothing. */
  abort(): void
}

export interface WholeBody {
  readonly bytes: Buffer
  /** The parsed JSON; undefined where it was not parsed. */
  readonly value: unknown
}

/** Reads a response's body. Exactly one of the ends is called, and nothing after it; after a bug, none. */
export interface ResponseReader {
  onData(chunk: Buffer): void
  /** What came together has been handed over: the time to write what it led to, in one piece. See `AnsweringResponse.isReading`. */
  onRest?(): void
  onEnd(): void
  onBroken(error: GatewayError): void
  /** From once to ten times a second, by how many calls are under way. @param nowMs milliseconds of the monotonic clock. */
  onTick?(nowMs: number): void
}
