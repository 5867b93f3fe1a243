// What the load generator can be asked for, and what it tells.
import type { Addressing, Format, Script } from './wire.ts'

/** Calls to one gateway; they take the models in turn. */
export interface Calls {
  readonly address: Addressing
  readonly models: readonly string[]
  readonly script: Script
  /** Size of the image that goes along; 0: none. */
  readonly bulkBytes: number
  /** Absent: chat. */
  readonly format?: Format
  /** Keys that the calls come with in turn; absent: one and the same text, which is none. */
  readonly keys?: readonly string[]
}

/** A task that makes calls. */
export type CallTask =
  /** Each connection sends its next call when the last one was answered; ends at whichever of the two comes first. */
  | {
      readonly kind: 'closed'
      readonly calls: Calls
      readonly connections: number
      /** What is called for so long beforehand, on the same connections, does not count; absent: 0. */
      readonly leadMs?: number
      readonly durationMs: number
      readonly maxCalls?: number
    }
  /** Calls at a fixed rate, whatever the answers do; latency counts from when a call was sent. */
  | {
      readonly kind: 'open'
      readonly calls: Calls
      readonly ratePerSecond: number
      readonly durationMs: number
    }
  /** Streams side by side, begun evenly over `spreadMs`; ends when all have ended. */
  | {
      readonly kind: 'streams'
      readonly calls: Calls
      readonly streams: number
      readonly spreadMs: number
    }
  /** One stream after the other; the latency is that of the first event. */
  | { readonly kind: 'first_events'; readonly calls: Calls; readonly durationMs: number }
  /** Opens streams and leaves them open, at most `atOnce` on their way. */
  | { readonly kind: 'hold'; readonly calls: Calls; readonly streams: number; readonly atOnce: number }

export type Task =
  | CallTask
  /** Waits for the end of the streams that are held. */
  | { readonly kind: 'await_held' }
  /** The events so far of the task that is running. */
  | { readonly kind: 'count' }

export interface Outcome {
  readonly calls: number
  readonly failed: number
  /** Why, and how often. */
  readonly faults: Readonly<Record<string, number>>
  readonly elapsedMs: number
  /** Milliseconds; undefined when there are none. */
  readonly latency: { readonly p50: number; readonly p99: number; readonly max: number } | undefined
  /** How late the generator itself was, at p99, in milliseconds; it is no part of the latency. */
  readonly latenessP99: number
  /** Numbered events of streams. */
  readonly events: number
  /** Those of them that came in one read with another one. */
  readonly together: number
}
