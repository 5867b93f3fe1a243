// Checks of tracing that the schema cannot express.
import { keyHeaders, ownHeaders } from './check-headers.ts'
import { isSecretName } from '../http/secret-names.ts'
import { quoted, type PathProblem } from './problems.ts'
import type { RawConfig } from './raw.ts'
import { isUnencrypted, parseWebUrl } from './web-url.ts'

/** Values are never quoted: people paste keys into URLs. */
export function* tracingProblems({ tracing = {} }: RawConfig): Generator<PathProblem> {
  const { endpoint, headers = {}, session_headers: sessionHeaders = [] } = tracing
  const fault = endpoint === undefined || endpoint === null ? undefined : endpointFault(endpoint)
  if (fault !== undefined) yield { path: ['tracing', 'endpoint'], ...fault }
  for (const [index, name] of sessionHeaders.entries()) {
    if (!isSecretName(name) && !keyHeaders.has(name.toLowerCase())) continue
    const message = `the header ${quoted(name)} carries a key, which would stand in spans`
    yield { path: ['tracing', 'session_headers', index], message, hint: 'remove it' }
  }
  const seen = new Set<string>()
  for (const [name, value] of Object.entries(headers)) {
    const lower = name.toLowerCase()
    const message = headerFault(name, value, seen.has(lower))
    if (message !== undefined) {
      const hint = keyHeaders.has(lower) ? 'write a secret reference: { credential: NAME }' : 'remove it'
      yield { path: ['tracing', 'headers', name], message, hint, at: 'key' }
    }
    seen.add(lower)
  }
}

function headerFault(name: string, value: unknown, isRepeated: boolean): string | undefined {
  const lower = name.toLowerCase()
  if (isRepeated) return `the header ${quoted(name)} occurs twice`
  if (ownHeaders.has(lower)) return `the header ${quoted(name)} is set by the gateway`
  if (keyHeaders.has(lower) && typeof value === 'string') return `the header ${quoted(name)} carries a key`
  return undefined
}

function endpointFault(text: string): { message: string; hint: string } | undefined {
  const url = parseWebUrl(text)
  if (url === undefined) {
    return { message: 'is not a URL', hint: 'write it in full: http://127.0.0.1:4318' }
  }
  if (url.username !== '' || url.password !== '' || text.includes('#') || url.search !== '') {
    return {
      message: 'the URL must not contain a user name, password, query or fragment',
      hint: 'put the key into headers',
    }
  }
  if (isUnencrypted(url)) {
    const hint = 'use https://, or a collector on this machine'
    return { message: `http:// to ${quoted(url.hostname)} would send spans unencrypted`, hint }
  }
  return undefined
}
