// An exchange with a provider that has failed, as an error for the client and facts for the next attempt.
import { GatewayError } from '../../errors.ts'
import {
  addressNotAllowed,
  type Provider,
  type ProviderFailure,
  unaskedContinue,
  undecodable,
} from '../../upstream/provider.ts'
import type { AttemptOutcome } from '../attempt-outcome.ts'

/** An idle connection that the provider has closed breaks at once; one that breaks later broke during the work. */
const staleConnectionMs = 500
const resetCodes: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'])

export type ConnectionFacts = Partial<
  Pick<
    AttemptOutcome & { kind: 'failed' },
    'isBeingServed' | 'isStaleConnection' | 'refusedAddress' | 'refusedConnection' | 'unreachableBy'
  >
>

export interface FailedExchange {
  readonly error: GatewayError
  readonly facts?: ConnectionFacts
}

interface Circumstances {
  readonly provider: Pick<Provider, 'name'>
  /** The head of the response had arrived. */
  readonly hasHead: boolean
  /** Since the request was sent. */
  readonly passedMs: number
}

/** What has become of the exchange. */
export function failedExchange(
  { kind, code, detail }: ProviderFailure,
  { provider, hasHead, passedMs }: Circumstances,
): FailedExchange {
  switch (kind) {
    case 'unreachable': {
      const toCheck = `Check that it is running, and providers.${provider.name}.base_url`
      const error = providerError(
        provider,
        'provider_unreachable',
        `cannot be reached: ${detail}. ${toCheck}`,
      )
      if (code === addressNotAllowed) return { error, facts: { refusedAddress: detail } }
      return { error, facts: { refusedConnection: code === 'ECONNREFUSED', unreachableBy: code } }
    }
    case 'unconnectable':
      return { error: noDescriptors(provider, detail) }
    case 'timeout':
      return { error: providerError(provider, 'provider_timeout', detail) }
    case 'broken': {
      if (code === undecodable) return { error: providerError(provider, 'provider_bad_response', detail) }
      if (hasHead) {
        const what = `closed the connection before its response was complete: ${detail}`
        return { error: providerError(provider, 'provider_bad_response', what) }
      }
      const isBeingServed = code === unaskedContinue
      const what = `did not send a valid HTTP response: ${detail}`
      const headers = isBeingServed ? { 'x-should-retry': 'false' } : {}
      const error = providerError(provider, 'provider_bad_response', what, headers)
      if (isBeingServed) return { error, facts: { isBeingServed } }
      const isStaleConnection = resetCodes.has(code) && passedMs < staleConnectionMs
      return { error, facts: { isStaleConnection } }
    }
    default:
      return kind satisfies never
  }
}

/** @param what a clause about the provider. */
export function providerError(
  { name }: Pick<Provider, 'name'>,
  code: 'provider_unreachable' | 'provider_bad_response' | 'provider_timeout',
  what: string,
  headers: Readonly<Record<string, string>> = {},
): GatewayError {
  return new GatewayError(code, `Provider "${name}" ${what}.`, { headers })
}

/** The fault is the gateway's own. */
function noDescriptors({ name }: Pick<Provider, 'name'>, detail: string): GatewayError {
  const what = `The gateway has no file descriptor left to ask provider "${name}": ${detail}.`
  const hint = 'Raise their limit: LimitNOFILE= of the unit, ulimit -Hn.'
  return new GatewayError('overloaded', `${what} ${hint}`, { headers: { 'retry-after': '5' } })
}
