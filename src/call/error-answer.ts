// A provider's answer with a status from 300 on: its own word to the client, or a fault of the gateway's side.
import type { ProviderDialect } from '../dialects/dialect.ts'
import { GatewayError } from '../errors.ts'
import { mediaTypeOf } from '../http/headers.ts'
import type { ResponseHead } from '../domain.ts'
import type { Provider } from '../upstream/provider.ts'
import type { AttemptOutcome } from './attempt-outcome.ts'

/** @param body read to its end. */
export function judgeErrorAnswer(
  provider: Provider,
  dialect: ProviderDialect,
  head: ResponseHead,
  received: Buffer,
): AttemptOutcome {
  const { status } = head
  const { name } = provider
  const body = masked(received, provider)
  const providerCode = dialect.readErrorCode(body)
  const failed = (code: 'provider_auth_failed' | 'provider_bad_response', what: string): AttemptOutcome => {
    const error = new GatewayError(code, `Provider "${name}" ${what}`)
    const facts = { providerStatus: status, providerCode, isStaleConnection: false, hasBegun: false }
    return { kind: 'failed', error, ...facts }
  }
  if (status === 401 || status === 403) {
    const way = `The key is the gateway's own: see providers.${name}.api_key in its configuration.`
    return failed('provider_auth_failed', `refused the gateway (${status}). ${way}`)
  }
  if (status < 400) {
    const way = `Redirects are not followed, so that the key stays where it belongs: set providers.${name}.base_url to the final address.`
    return failed('provider_bad_response', `answered with a redirect (${status}). ${way}`)
  }
  // 407 is a proxy's; above 599 is nobody's.
  if (status > 599 || status === 407)
    return failed('provider_bad_response', `answered ${status}, which no API does.`)
  if (mediaTypeOf(head) === 'text/html') {
    return failed('provider_bad_response', `answered ${status} with a web page. Is its base_url right?`)
  }
  const meaning = provider.meaningOf({ status, code: providerCode, body })
  return { kind: 'refused', head, body, providerCode, meaning }
}

/** A provider that repeats the key that it got must not pass it to the client. */
function masked(received: Buffer, provider: Provider): Buffer {
  // Keys are ASCII, and latin1 keeps all other bytes as they are.
  const text = received.toString('latin1')
  const clean = provider.mask(text)
  return clean === text ? received : Buffer.from(clean, 'latin1')
}
