// What a service is made with.
import type { Clock } from '../../platform/clock.ts'
import type { HttpProvider } from '../../config/provider-types.ts'
import type { ServiceConfig } from '../../config/service-types.ts'
import type { EarlierCalls } from './earlier-calls.ts'
import type { ServiceChange } from './service-change.ts'
import type { Readiness } from './readiness-probes.ts'
import type { Starter } from './starter.ts'

/** A provider with a service. */
export type ServedProvider = Pick<HttpProvider, 'name' | 'origin'> & { readonly service: ServiceConfig }

export interface NewService {
  readonly provider: ServedProvider
  readonly earlierCalls: EarlierCalls
}

export interface ServiceParts {
  readonly starter: Pick<Starter, 'start' | 'stop'>
  /** One probe of a provider's server. Never rejects. @param uid of its unit, as it is reported. */
  readonly isReady: (provider: string, uid: number | undefined) => Promise<Readiness>
  /** What the last probe of it got: `ECONNREFUSED`, `status 503`. */
  readonly lastProbe?: (provider: string) => string | undefined
  readonly clock: Clock
  readonly onChange?: ((change: ServiceChange) => void) | undefined
}
