// What a Messages response is written to: events for a stream, or one message.
import type { GatewayError } from '../../../errors.ts'
import type { CallSink } from '../chat-calls.ts'
import type { ThinkSink } from '../think-tags.ts'
import type { ToolNames } from '../tool-names.ts'
import type { ChatUsage } from '../usage.ts'

export type StopReason = 'end_turn' | 'max_tokens' | 'stop_sequence' | 'tool_use' | 'refusal'

export interface MessageEnd {
  readonly stopReason: StopReason
  readonly stopSequence: string | null
  readonly usage: ChatUsage
}

/** What all responses to one request have in common. */
export interface MessageHead {
  readonly id: string
  /** As the client named it. */
  readonly model: string
  /** Of the prompt, as estimated. */
  readonly promptTokens: number
  /** As the request has shortened them. */
  readonly names: ToolNames
  /** Letters and digits at random. */
  readonly newId: () => string
}

export interface MessageOutput extends ThinkSink, CallSink {
  /** @returns the body for a client that wants one. */
  end(end: MessageEnd): Buffer | GatewayError | undefined
}
