// All requests to providers other than calls, for as long as the gateway runs.
import type { Config } from '../config/types.ts'
import type { Events } from '../observe/events.ts'
import type { Discovered } from '../routing/route-table.ts'
import type { TargetHealth } from '../routing/target-health.ts'
import { Discovery } from './discovery.ts'
import { HealthChecks } from './health-checks.ts'
import type { PollClock } from './polls.ts'
import type { ProviderSet } from './providers.ts'

export interface ProviderWatchParts {
  readonly clock: PollClock
  readonly events: Events
  readonly health: Pick<TargetHealth, 'checked'>
  /** Called with all lists of models when one has changed. */
  readonly onModels: (discovered: Discovered) => void
}

export class ProviderWatch {
  readonly #discovery: Discovery
  readonly #healthChecks: HealthChecks
  #isOver = false

  constructor({ clock, events, health, onModels }: ProviderWatchParts) {
    this.#discovery = new Discovery({ clock, events, onChange: onModels })
    this.#healthChecks = new HealthChecks({ clock, events, health })
  }

  /** Switches to a configuration. Does not wait for responses. */
  follow(config: Config, providers: ProviderSet): void {
    // A reload may still arrive while the last calls end.
    if (this.#isOver) return
    this.#discovery.follow(config, providers)
    this.#healthChecks.follow(config, providers)
  }

  /** Requests the lists again that may contain a model that is still unknown; resolves within a second. */
  refresh(model: string): Promise<void> {
    return this.#discovery.refresh(model)
  }

  /** Ends open requests, and sends no more. */
  stop(): void {
    this.#isOver = true
    this.#discovery.stop()
    this.#healthChecks.stop()
  }
}
