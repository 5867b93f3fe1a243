// A provider over HTTP: what its requests carry.
import { openServerTraits } from './providers/traits.ts'
import type { Readable } from 'node:stream'
import type { HttpProvider } from '../config/types.ts'
import { lengthOf, type SplicedBody } from '../bytes/large-body.ts'
import { headersOf, secretsOf } from './authorization.ts'
import { bodySlices } from './body-slices.ts'
import { Connections } from './connections.ts'
import { createConnector } from './connector.ts'
import type { ErrorReader } from './error-meaning.ts'
import { createMask } from './mask.ts'
import type { Provider, StreamedBody } from './provider.ts'
import { requestTarget } from './request-target.ts'

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
    traits: openServerTraits,
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

    pass({ method, path: below, query, headers: asked, body: sent, requestId }, handler) {
      const { body, framing } = sent === undefined ? noBody : outgoing(sent)
      const passed = asked.filter(([name]) => !config.headers.some(([configured]) => configured === name))
      const headers = [...fixedHeaders, ...passed.flat(), 'x-request-id', requestId, ...framing]
      const path = requestTarget(config, below, query)
      // Its types allow fewer methods than HTTP has.
      const dispatched = { path, method: method as 'GET', body, headers }
      return connections.send(dispatched, handler)
    },

    get(path, handler) {
      const headers = [...fixedHeaders, 'accept', 'application/json, */*']
      return connections.send({ path: requestTarget(config, path), method: 'GET', headers }, handler)
    },

    close: () => connections.close(),
  }
}

/** The body as undici accepts it, with the length as a header where undici can't see it. */
function outgoing(body: Buffer | SplicedBody | StreamedBody): {
  body: Buffer | Readable
  framing: readonly string[]
} {
  if (Buffer.isBuffer(body)) return { body, framing: [] }
  // undici accepts every iterable, though its types do not say so.
  if ('pieces' in body) {
    const framing = body.length === undefined ? [] : ['content-length', String(body.length)]
    return { body: body.pieces as unknown as Readable, framing }
  }
  const slices = bodySlices(body) as unknown as Readable
  return { body: slices, framing: ['content-length', String(lengthOf(body))] }
}

const noBody = { body: null, framing: [] as readonly string[] }
