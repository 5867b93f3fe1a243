// The input of a relay, and how it ends.
import type { OwnEvents } from '../../dialects/dialect.ts'
import type { GatewayError } from '../../errors.ts'
import type { AnsweringResponse, ResponseReader } from '../attempt-outcome.ts'
import type { Reply } from '../call.ts'
import type { Hold } from '../coordinator.ts'
import type { Meter } from './meter.ts'

/** Learns from the events of a stream. */
export interface StreamWatcher {
  /** Receives each event before the client does. */
  onEvent(event: Buffer): void
}

export interface RelayInput {
  readonly response: AnsweringResponse
  readonly reply: Reply
  readonly own: OwnEvents
  /** Silence before each heartbeat, in milliseconds. */
  readonly heartbeatAfterMs: number
  /** Whether the client asked for a stream. */
  readonly isStream: boolean
  /** For the status line, names and values in turn. */
  readonly headers: readonly string[]
  readonly meter: Meter
  /** Replaces the provider's own secrets in text that it sent. */
  readonly mask: (text: string) => string
  /** Of a stream that passes. Absent: its events are only relayed and metered. */
  readonly watcher?: StreamWatcher | undefined
  /** The call's charge, which grows with a stream that takes more than was reserved. */
  readonly hold: Pick<Hold, 'tokens' | 'grow'>
}

/**
 * How the way back ended. `isReported`: the client has seen the error, as an event or by a cut of its connection; else it
 * has still to be sent, and nothing but whole events of a stream has gone out.
 */
export type RelayResult =
  | { readonly kind: 'complete' }
  | { readonly kind: 'gone' }
  | {
      /** `failed`: the provider itself reported an error in its stream, or its whole response can't be translated. */
      readonly kind: 'failed' | 'broken'
      readonly error: GatewayError
      readonly isReported: boolean
    }

/** Passes a body on. */
export interface Relay extends ResponseReader {
  /** Whether the client would see a whole unit if nothing more came. */
  readonly mayEndHere: boolean
  /** Sends the head, and what was read already. */
  begin(): void
  /**
   * How the call has ended, if the client has been sent the response's end and only the provider's body goes on: nothing
   * that the client or the provider does from then on changes that. Else undefined.
   */
  reachedEnd(): RelayResult | undefined
  /**
   * Whether the client, which has left, had all of its answer, and only the count of its tokens is still to come. The relay then
   * reads on for a moment, writes nothing, and reports the end itself. Absent: it never does.
   */
  awaitsCount?(): boolean
}
