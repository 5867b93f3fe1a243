// What conditions need to know of earlier events: whether the last load was refused, and what health checks found last.
import type { GatewayEvent, Sink } from '../events.ts'
import type { GatewayState } from './gateway-state.ts'

export class EventFacts implements Sink {
  readonly name = 'conditions'
  readonly #healthy = new Map<string, boolean>()
  reload: GatewayState['reload'] = { isRefused: false, problems: 0 }

  receive(event: GatewayEvent): void {
    if (event.kind === 'reloaded') this.reload = { isRefused: false, problems: 0 }
    else if (event.kind === 'reload_refused') {
      this.reload = { isRefused: true, problems: event.problems.length }
    } else if (event.kind === 'health_checked') {
      this.#healthy.set(event.provider, event.reason === undefined)
    }
  }

  /** What the last health check of a provider found; undefined: there was none. */
  isHealthy(provider: string): boolean | undefined {
    return this.#healthy.get(provider)
  }
}
