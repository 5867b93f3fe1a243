// What a service is made with.
import type { Clock } from '../../platform/clock.ts'
import type { ServiceChange } from './service-change.ts'
import type { Starter } from './starter.ts'

export interface ServiceParts {
  readonly starter: Pick<Starter, 'start' | 'stop'>
  /** One probe of a provider's server. Never rejects. */
  readonly isReady: (provider: string) => Promise<boolean>
  readonly clock: Clock
  readonly onChange?: ((change: ServiceChange) => void) | undefined
}
