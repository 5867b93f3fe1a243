// Events: what happens in the gateway and is worth reporting, as data. Leaves return facts, the story emits them, and sinks
// turn them into log lines and metrics. Members are named as in the log. None holds a prompt, answer, key or header value.
import type { AccessEvent } from './events/access.ts'
import type { CallEvent } from './events/calls.ts'
import type { NotificationEvent } from './events/notifications.ts'
import type { ProcessEvent } from './events/process.ts'
import type { ProviderEvent } from './events/providers.ts'
import type { ServiceEvent } from './events/services.ts'
import type { StateEvent } from './events/state.ts'
import type { TraceEvent } from './events/trace.ts'

export type GatewayEvent =
  | AccessEvent
  | CallEvent
  | NotificationEvent
  | ProcessEvent
  | ProviderEvent
  | ServiceEvent
  | StateEvent
  | TraceEvent

export interface Events {
  /** Hands the event to every sink, now. Never throws. */
  emit(event: GatewayEvent): void
}

/** A receiver of events. */
export interface Sink {
  /** For the report of its own errors: `log`, `metrics`. */
  readonly name: string
  /** Whether it wants the events of a kind; asked once for each kind. Absent: all of them. */
  readonly wants?: (kind: GatewayEvent['kind']) => boolean
  /** Returns at once; a call waits for it. What it throws is reported to the other sinks. */
  receive(event: GatewayEvent): void
}

/**
 * @param sinks in the order in which they receive an event.
 * @param prepare makes what they receive of an event; absent: they receive it as it is.
 */
export function createEvents(
  sinks: readonly Sink[],
  prepare: (event: GatewayEvent) => GatewayEvent = asItIs,
): Events {
  /** Those that threw at their last event. */
  const failing = new Set<Sink>()

  const deliver = (event: GatewayEvent, sink: Sink) => {
    try {
      sink.receive(event)
      if (failing.size > 0) failing.delete(sink)
    } catch (error) {
      report(error, sink)
    }
  }
  /** Once until the sink receives an event again. */
  const report = (error: unknown, sink: Sink) => {
    if (failing.has(sink)) return
    failing.add(sink)
    const event = { kind: 'internal_error', error, where: `the ${sink.name} sink` } as const
    const wanting = receivers.get(event.kind) ?? receiversOf(event.kind)
    const others = wanting.filter((other) => !failing.has(other))
    for (const other of others) deliver(event, other)
    if (others.length === 0) process.emitWarning(error instanceof Error ? error : String(error))
  }
  /** Calls emit two events each, which most sinks have no use for. */
  const receivers = new Map<GatewayEvent['kind'], readonly Sink[]>()
  const receiversOf = (kind: GatewayEvent['kind']) => {
    const wanting = sinks.filter(({ wants }) => wants === undefined || wants(kind))
    receivers.set(kind, wanting)
    return wanting
  }
  return {
    emit(event) {
      const prepared = prepare(event)
      for (const sink of receivers.get(event.kind) ?? receiversOf(event.kind)) deliver(prepared, sink)
    },
  }
}

function asItIs(event: GatewayEvent): GatewayEvent {
  return event
}
