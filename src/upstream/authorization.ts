// What authorizes a request at its provider: the key, the API's version and the configured headers, and what to mask for
// their sake.
import type { HttpProvider } from '../config/provider-types.ts'
import { versionHeader } from './providers/anthropic.ts'
import { isForwarded, proxyHeaders } from './tunnel.ts'

/** The headers of every request, the provider's key included; it is sent to this provider's origin only, or to its proxy. */
export function headersOf(config: HttpProvider, userAgent: string): string[] {
  const headers = ['user-agent', userAgent, 'accept-encoding', 'identity']
  if (config.apiKey !== undefined) {
    if (config.auth === 'bearer') headers.push('authorization', `Bearer ${config.apiKey.reveal()}`)
    else headers.push(config.auth.header, config.apiKey.reveal())
  }
  if (isForwarded(config.origin, config.proxy)) headers.push(...proxyHeaders(config.proxy))
  for (const [name, value] of config.headers) {
    headers.push(name, typeof value === 'string' ? value : value.reveal())
  }
  return headers
}

/**
 * The version of the API, for requests that have to name one and do not: all to a server of Anthropic's kind, and others
 * in its format.
 * @param path below the base URL.
 */
export function versionOf({ kind, headers }: HttpProvider, path: string): readonly string[] {
  const isNeeded = kind === 'anthropic' || path.startsWith('/messages')
  return isNeeded && !headers.some(([name]) => name === versionHeader[0]) ? versionHeader : []
}

/** What `mask` looks for in the provider's responses. */
export function secretsOf({ apiKey, headers }: HttpProvider): string[] {
  const values = headers.map(([, value]) => value).filter((value) => typeof value !== 'string')
  return [...values, ...(apiKey === undefined ? [] : [apiKey])].map((secret) => secret.reveal())
}
