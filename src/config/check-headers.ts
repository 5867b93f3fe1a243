// Headers that a provider's entry may add to its requests.
import { quoted, type Finding, type Path } from './problems.ts'
import type { RawProvider } from './raw.ts'

/** Hop-by-hop (RFC 9110 §7.6.1) or set by the gateway for each request. */
const ownHeaders = new Set([
  'accept-encoding',
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Headers that carry keys: a literal value in them is a key in the file. */
const keyHeaders = new Set(['api-key', 'authorization', 'cookie', 'x-api-key', 'x-goog-api-key'])

/** Faults of `headers` and `auth`. A value is never quoted. */
export function* headerFaults(provider: RawProvider, path: Path): Generator<Finding> {
  const { auth = 'bearer' } = provider
  const authHeader = (auth === 'bearer' ? 'authorization' : auth.header).toLowerCase()
  if (auth !== 'bearer' && ownHeaders.has(authHeader)) {
    const message = `the header ${quoted(auth.header)} is set by the gateway`
    yield {
      path: [...path, 'auth', 'header'],
      message,
      hint: 'name the header that the provider reads its key from',
    }
  }
  const seen = new Set<string>()
  for (const [name, value] of Object.entries(provider.headers ?? {})) {
    const place = [...path, 'headers', name]
    const lower = name.toLowerCase()
    if (seen.has(lower)) {
      yield {
        path: place,
        message: `the header ${quoted(name)} stands here twice`,
        hint: 'case makes no difference',
        at: 'key',
      }
    }
    seen.add(lower)
    if (ownHeaders.has(lower)) {
      yield {
        path: place,
        message: `the header ${quoted(name)} is set by the gateway`,
        hint: 'take it out',
        at: 'key',
      }
    } else if (keyHeaders.has(lower) && typeof value === 'string') {
      yield {
        path: place,
        message: `the header ${quoted(name)} carries a key`,
        hint: 'use api_key and auth',
        at: 'key',
      }
    } else if (lower === authHeader && provider.api_key !== undefined) {
      yield {
        path: place,
        message: `the header ${quoted(name)} already carries api_key`,
        hint: 'take it out',
        at: 'key',
      }
    }
  }
}
