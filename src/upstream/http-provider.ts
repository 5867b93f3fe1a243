// A provider over HTTP: what its requests carry, the key included.
import type { Readable } from 'node:stream'
import type { HttpProvider } from '../config/types.ts'
import { lengthOf, type SplicedBody } from '../bytes/large-body.ts'
import { bodySlices } from './body-slices.ts'
import { Connections } from './connections.ts'
import { createConnector } from './connector.ts'
import type { ErrorReader } from './error-meaning.ts'
import { createMask } from './mask.ts'
import type { Provider } from './provider.ts'
import { requestTarget } from './request-target.ts'
import { isForwarded, proxyHeaders } from './tunnel.ts'

/** @param userAgent is sent as `user-agent`. */
export function createHttpProvider(
  config: HttpProvider,
  userAgent: string,
  meaningOf: ErrorReader,
): Provider {
  const connections = new Connections(config.origin, createConnector(config))
  const fixedHeaders = headersOf(config, userAgent)

  return {
    name: config.name,
    timeouts: config.timeouts,
    isLocal: config.isLocal,
    includeUsage: config.includeUsage,
    maxParallelRequests: config.maxParallelRequests,
    speaks: () => true,
    meaningOf,
    mask: createMask(secretsOf(config)),

    send(request, handler) {
      const { query, contentType, isStream, requestId } = request
      const { body, framing } = outgoing(request.body)
      const accept = isStream ? 'text/event-stream, application/json' : '*/*'
      const own = ['content-type', contentType, 'accept', accept, 'x-request-id', requestId]
      const headers = [...fixedHeaders, ...own, ...framing]
      const path = requestTarget(config, request.path, query)
      return connections.send({ path, method: 'POST', body, headers }, handler)
    },

    get(path, handler) {
      const headers = [...fixedHeaders, 'accept', 'application/json, */*']
      return connections.send({ path: requestTarget(config, path), method: 'GET', headers }, handler)
    },

    close: () => connections.close(),
  }
}

/** The body as undici accepts it, with the length as a header where undici can't see it. */
function outgoing(body: Buffer | SplicedBody): { body: Buffer | Readable; framing: readonly string[] } {
  if (Buffer.isBuffer(body)) return { body, framing: [] }
  // undici accepts every iterable, though its types do not say so.
  const slices = bodySlices(body) as unknown as Readable
  return { body: slices, framing: ['content-length', String(lengthOf(body))] }
}

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

/** What `mask` looks for in the provider's responses. */
export function secretsOf({ apiKey, headers }: HttpProvider): string[] {
  const values = headers.map(([, value]) => value).filter((value) => typeof value !== 'string')
  return [...values, ...(apiKey === undefined ? [] : [apiKey])].map((secret) => secret.reveal())
}
