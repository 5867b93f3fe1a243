// What a relay is given, and how it ends.
import type { ClientDialect } from '../../dialects/dialect.ts'
import type { GatewayError } from '../../errors.ts'
import type { AnsweringResponse, ResponseReader } from '../attempt-outcome.ts'
import type { Reply } from '../call.ts'
import type { Hold } from '../coordinator.ts'
import type { Meter } from './meter.ts'

export interface RelayInput {
  readonly response: AnsweringResponse
  readonly reply: Reply
  readonly dialect: ClientDialect
  /** For the status line, names and values in turn. */
  readonly headers: readonly string[]
  readonly meter: Meter
  /** The call's charge, which grows with a stream that takes more than was reserved. */
  readonly hold: Pick<Hold, 'tokens' | 'grow'>
}

/** How the way back ended. After `broken` the client has been sent an error event, or its connection was cut. */
export type RelayResult =
  | { readonly kind: 'complete' }
  /** The provider itself reported an error in its stream, and the client has it. */
  | { readonly kind: 'failed'; readonly error: GatewayError }
  | { readonly kind: 'gone' }
  | { readonly kind: 'broken'; readonly error: GatewayError }

/** What passes a body on. */
export interface Relay extends ResponseReader {
  /** Whether the client would see a whole unit if nothing more came. */
  readonly mayEndHere: boolean
  /** Sends the head, and what was read already. */
  begin(): void
}
