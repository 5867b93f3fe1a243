// What follows a provider's origin in a request.
import type { HttpProvider } from '../config/types.ts'

/**
 * The request target (RFC 9112 §3.2) with the query of the provider's base URL.
 *
 * @param path below the base URL: `/models`.
 */
export function requestTarget(
  { basePath, query }: Pick<HttpProvider, 'basePath' | 'query'>,
  path: string,
): string {
  const target = basePath + path
  if (query === undefined) return target
  return target.includes('?') ? `${target}&${query.slice(1)}` : target + query
}
