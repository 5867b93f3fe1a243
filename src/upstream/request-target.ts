// What follows a provider's origin in a request.
import type { HttpProvider } from '../config/types.ts'
import { isForwarded } from './tunnel.ts'

/**
 * The request target (RFC 9112 §3.2) with the query of the provider's base URL; for a proxy that forwards requests, the
 * whole URL.
 *
 * @param path below the base URL: `/models`; below the server's root with a second slash: `//health`.
 */
export function requestTarget(
  { origin, basePath, query, proxy }: Pick<HttpProvider, 'origin' | 'basePath' | 'query' | 'proxy'>,
  path: string,
): string {
  const local = path.startsWith('//') ? basePath.replace(/\/v1$/, '') + path.slice(1) : basePath + path
  const target = isForwarded(origin, proxy) ? origin + local : local
  if (query === undefined) return target
  return target.includes('?') ? `${target}&${query.slice(1)}` : target + query
}
