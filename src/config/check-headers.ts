// Headers that a provider's entry adds to its requests.
import { quoted, type PathProblem, type Path } from './problems.ts'
import { authOf } from './provider-kind.ts'
import type { RawProvider } from './raw.ts'

/** Hop-by-hop (RFC 9110 §7.6.1), or set by the gateway for each request. */
export const ownHeaders = new Set([
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

/** Headers that carry keys: a literal value of one is a key in the file. */
export const keyHeaders = new Set(['api-key', 'authorization', 'cookie', 'x-api-key', 'x-goog-api-key'])

/** Problems of `headers` and `auth`. Values are never quoted. */
export function* headerProblems(provider: RawProvider, path: Path): Generator<PathProblem> {
  const auth = authOf(provider)
  const authHeader = (auth === 'bearer' ? 'authorization' : auth.header).toLowerCase()
  if (auth !== 'bearer' && ownHeaders.has(authHeader)) {
    const message = `the header ${quoted(auth.header)} is set by the gateway`
    yield {
      path: [...path, 'auth', 'header'],
      message,
      hint: 'name the header in which the provider expects its key',
    }
  }
  const seen = new Set<string>()
  for (const [name, value] of Object.entries(provider.headers ?? {})) {
    const headerPath = [...path, 'headers', name]
    const lower = name.toLowerCase()
    if (seen.has(lower)) {
      yield {
        path: headerPath,
        message: `the header ${quoted(name)} occurs twice`,
        hint: 'header names are not case-sensitive',
        at: 'key',
      }
    }
    seen.add(lower)
    if (ownHeaders.has(lower)) {
      yield {
        path: headerPath,
        message: `the header ${quoted(name)} is set by the gateway`,
        hint: 'remove it',
        at: 'key',
      }
    } else if (keyHeaders.has(lower) && typeof value === 'string') {
      yield {
        path: headerPath,
        message: `the header ${quoted(name)} carries a key`,
        hint: 'use api_key and auth',
        at: 'key',
      }
    } else if (lower === authHeader && provider.api_key !== undefined) {
      yield {
        path: headerPath,
        message: `the header ${quoted(name)} already carries api_key`,
        hint: 'remove it',
        at: 'key',
      }
    }
  }
}
