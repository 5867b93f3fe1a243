// What a reservation is of: everything whose use is limited. A call names all that it touches; it is admitted to all of
// them together or to none. Further kinds (keys, clients, budgets) are further members of these types, not other ways.
import type { ModelLimits } from '../domain.ts'

/** Absent ones do not limit. */
export interface ScopeLimits {
  /** Requests in any 60 seconds. */
  readonly rpm?: number
  /** Tokens, prompt and completion together, in any 60 seconds. */
  readonly tpm?: number
  /** Calls under way at once. */
  readonly maxParallelRequests?: number | undefined
  /** As `ModelLimits.isDefault`. */
  readonly isDefault?: true
}

export interface Scope {
  readonly kind: 'model' | 'provider'
  /** What is counted is counted by kind and name: of a model or wildcard (never an alias), of a provider. */
  readonly name: string
  /** A change comes as another object. */
  readonly limits: ScopeLimits
  /** Whether requests and tokens are counted, limited or not, so that a limit that a reload brings finds the truth. */
  readonly isMetered: boolean
}

const noLimits: ScopeLimits = {}

/** @param limits undefined: calls are counted only. */
export function modelScope(name: string, limits: ModelLimits | undefined): Scope {
  return { kind: 'model', name, limits: limits ?? noLimits, isMetered: true }
}

export function providerScope(name: string, maxParallelRequests: number | undefined): Scope {
  return { kind: 'provider', name, limits: { maxParallelRequests }, isMetered: false }
}
