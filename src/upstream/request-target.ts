// What follows a provider's origin in a request.
import type { HttpProvider } from '../config/provider-types.ts'
import { isForwarded } from './tunnel.ts'

/**
 * The request target (RFC 9112 §3.2) with the query of the provider's base URL; for a proxy that forwards requests, the
 * whole URL.
 *
 * @param path below the base URL: `/models`; below the server's root with a second slash: `//health`.
 * @param asked the client's query, with its `?`, or empty. A parameter that the base URL has is the operator's.
 */
export function requestTarget(
  {
    origin,
    basePath,
    rootPath,
    query,
    proxy,
  }: Pick<HttpProvider, 'origin' | 'basePath' | 'rootPath' | 'query' | 'proxy'>,
  path: string,
  asked = '',
): string {
  const local = path.startsWith('//')
    ? (rootPath ?? basePath.replace(/\/v1$/, '')) + path.slice(1)
    : basePath + path
  const target = isForwarded(origin, proxy) ? origin + local : local
  if (query === undefined) return target + asked
  const own = target.includes('?') ? `${target}&${query.slice(1)}` : target + query
  if (asked === '') return own
  const fixed = new Set(new URLSearchParams(query).keys())
  const others = asked.slice(1).split('&')
  return [own, ...others.filter((each) => !fixed.has(nameOf(each)))].join('&')
}

/** A path below the base URL, or below the server's root, for messages. */
export function shownPath(path: string): string {
  return path.startsWith('//') ? path.slice(1) : path
}

function nameOf(parameter: string): string {
  const [name = ''] = new URLSearchParams(parameter).keys()
  return name
}
