// What conditions need to know of earlier events: what health checks found last, and which parts of the gateway do not work.
import type { GatewayEvent, Sink } from '../events.ts'
import { Degraded } from './degraded.ts'
import type { DegradedPart } from './gateway-state.ts'

export class EventFacts implements Sink {
  readonly name = 'conditions'
  readonly wants = isOfNoCall
  readonly #now: () => number
  readonly #healthy = new Map<string, boolean>()
  readonly #degraded = new Degraded()

  /** @param now of a monotonic clock. */
  constructor(now: () => number) {
    this.#now = now
  }

  receive(event: GatewayEvent): void {
    if (event.kind === 'health_checked') {
      this.#healthy.set(event.provider, event.reason === undefined)
    } else this.#degraded.receive(event, this.#now())
  }

  /** What the last health check of a provider found; undefined: there was none. */
  isHealthy(provider: string): boolean | undefined {
    return this.#healthy.get(provider)
  }

  degraded(nowMs: number): DegradedPart[] {
    return this.#degraded.parts(nowMs)
  }
}

function isOfNoCall(kind: GatewayEvent['kind']): boolean {
  return kind !== 'attempt_ended' && kind !== 'call_ended'
}
