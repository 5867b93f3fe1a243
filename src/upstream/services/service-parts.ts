// What a service is made with.
import type { Clock } from '../../platform/clock.ts'
import type { HttpProvider } from '../../config/provider-types.ts'
import type { ServiceConfig } from '../../config/service-types.ts'
import type { EarlierCalls } from './earlier-calls.ts'
import type { ServiceChange } from './service-change.ts'
import type { Starter } from './starter.ts'

/** A provider with a service. */
export type ServedProvider = Pick<HttpProvider, 'name' | 'origin'> & { readonly service: ServiceConfig }

export interface NewService {
  readonly provider: ServedProvider
  readonly earlierCalls: EarlierCalls
}

export interface ServiceParts {
  readonly starter: Pick<Starter, 'start' | 'stop'>
  /** One probe of a provider's server. Never rejects. */
  readonly isReady: (provider: string) => Promise<boolean>
  /** What the last probe of it got, where that was not an answer that it takes calls: `ECONNREFUSED`, `status 503`. */
  readonly lastProbe?: (provider: string) => string | undefined
  readonly clock: Clock
  readonly onChange?: ((change: ServiceChange) => void) | undefined
}
