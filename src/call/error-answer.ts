// A provider's answer with a status from 300 on: its own word to the client, or a fault of the gateway's side.
import { essenceOf } from '../http/media-type.ts'
import type { ErrorWords } from '../dialects/dialect.ts'
import { GatewayError } from '../errors.ts'
import type { AnswerHead, Provider } from '../upstream/provider.ts'
import type { AttemptOutcome } from './attempt-outcome.ts'

/** @param body read to its end. */
export function judgeErrorAnswer(provider: Provider, head: AnswerHead, received: Buffer): AttemptOutcome {
  const { status } = head
  const { name } = provider
  const body = masked(received, provider)
  const providerCode = errorCodeOf(body)
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
  return { kind: 'refused', head, body, providerCode }
}

/** A provider that repeats the key that it got must not pass it to the client. */
function masked(received: Buffer, provider: Provider): Buffer {
  // Keys are ASCII, and latin1 keeps all other bytes as they are.
  const text = received.toString('latin1')
  const clean = provider.mask(text)
  return clean === text ? received : Buffer.from(clean, 'latin1')
}

/** What an error answer says, for a stream that has begun; undefined where it has no words in a form that is known. */
export function errorWordsOf(body: Buffer): ErrorWords | undefined {
  const error = errorOf(body)
  if (typeof error === 'string') return { message: error, type: null, param: null, code: null }
  if (typeof error?.message !== 'string') return undefined
  const { message, type, param, code } = error
  const textOrNull = (value: unknown) => (typeof value === 'string' ? value : null)
  const isCode = typeof code === 'string' || typeof code === 'number'
  return { message, type: textOrNull(type), param: textOrNull(param), code: isCode ? code : null }
}

/** The response's media type without parameters; empty when the provider names none. */
export function mediaTypeOf({ headers }: AnswerHead): string {
  return essenceOf(headers['content-type'])
}

/** The provider's `error.code`, or its `type` where there is none or only a number, which tells less. */
function errorCodeOf(body: Buffer): string | undefined {
  const error = errorOf(body)
  if (typeof error !== 'object') return undefined
  const { code: own, type } = error
  const isWord = typeof own === 'string' && !/^\d+$/.test(own)
  const code = isWord ? own : (type ?? own)
  return typeof code === 'string' || typeof code === 'number' ? String(code).slice(0, 64) : undefined
}

interface ErrorMembers {
  readonly message?: unknown
  readonly type?: unknown
  readonly param?: unknown
  readonly code?: unknown
}

/** The body's `error`. */
function errorOf(body: Buffer): ErrorMembers | string | undefined {
  try {
    const { error } = JSON.parse(body.toString()) as { error?: unknown }
    return (typeof error === 'object' && error !== null) || typeof error === 'string' ? error : undefined
  } catch {
    // Not JSON: the status is all there is to know.
    return undefined
  }
}
