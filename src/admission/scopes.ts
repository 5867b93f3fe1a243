// What a reservation is of: everything whose use is limited. A call names all that it touches; it is admitted to all of
// them together or to none. Further kinds (budgets) are further members of these types, not other ways.
import type { Client, ClientTerms, ModelLimits } from '../domain.ts'

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
  /** Of a provider: `max_parallel_requests: auto`, so that no number of the file is at fault. */
  readonly isAuto?: true
}

export interface Scope {
  readonly kind: 'model' | 'provider' | 'client'
  /**
   * What is counted is counted by kind and name: of a model or wildcard (never an alias), of a provider; of a client
   * `key:ID` by the id of its key's record, which outlives rotations and another name, or `client:ID`.
   */
  readonly name: string
  /** A change comes as another object. */
  readonly limits: ScopeLimits
  /** Whether requests and tokens are counted, limited or not, so that a limit that a reload brings finds the truth. */
  readonly isMetered: boolean
  /** Of a client: the name of its key or its entry of `clients:`, for messages. */
  readonly entry?: string
}

const noLimits: ScopeLimits = {}

/** @param limits undefined: calls are counted only. */
export function modelScope(name: string, limits: ModelLimits | undefined): Scope {
  return { kind: 'model', name, limits: limits ?? noLimits, isMetered: true }
}

/** Undefined: nothing limits the client by itself. */
export function clientScope(client: Client): Scope | undefined {
  const { terms } = client
  if (terms === undefined) return undefined
  return {
    kind: 'client',
    name: scopeNameOf(client),
    limits: limitsOfTerms(terms),
    isMetered: true,
    entry: terms.name,
  }
}

/** What a client is counted by: the id of its key's record, which outlives rotations and another name, or its own. */
export function scopeNameOf({
  id,
  keyId,
  countedAs = id,
}: Pick<Client, 'countedAs' | 'id' | 'keyId'>): string {
  return keyId === undefined ? `client:${countedAs}` : `key:${keyId}`
}

/** One object for each record: counters compare them. */
const known = new WeakMap<ClientTerms, ScopeLimits>()

function limitsOfTerms(terms: ClientTerms): ScopeLimits {
  const found = known.get(terms)
  if (found !== undefined) return found
  const { rpm, tpm, maxParallelRequests } = terms
  const limits = { ...(rpm !== undefined && { rpm }), ...(tpm !== undefined && { tpm }), maxParallelRequests }
  known.set(terms, limits)
  return limits
}

export function providerScope(name: string, maxParallelRequests: number | undefined): Scope {
  return { kind: 'provider', name, limits: { maxParallelRequests }, isMetered: false }
}
