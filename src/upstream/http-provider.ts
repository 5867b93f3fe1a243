// A provider over HTTP: what its requests carry.
import type { Readable } from 'node:stream'
import type { HttpProvider } from '../config/provider-types.ts'
import { lengthOf, type SplicedBody } from '../bytes/large-body.ts'
import { headersOf, secretsOf, versionOf } from './authorization.ts'
import { bodySlices } from './body-slices.ts'
import { type ModelPlaces, sendChecked } from './checked-exchange.ts'
import { Connections } from './connections.ts'
import { type Boundary, isInside } from '../platform/boundary.ts'
import { boundaryOfConnections, createBoundedConnector, createConnector } from './connector.ts'
import { createMask } from './mask.ts'
import type { Exchange, Provider, ProviderRequest, ResponseHandler, StreamedBody } from './provider.ts'
import { versionHeader } from './providers/anthropic.ts'
import { requestTarget } from './request-target.ts'

/**
 * @param userAgent is sent as `user-agent`.
 * @param ofKind what is known of the server.
 */
export function createHttpProvider(
  config: HttpProvider,
  userAgent: string,
  {
    modelPlaces,
    ...ofKind
  }: Pick<Provider, 'meaningOf' | 'passesOn' | 'speaks' | 'traitsOf' | 'wholeAsStream'> & {
    /** Absent: the server runs all of its models itself. */
    readonly modelPlaces?: ModelPlaces
  },
): Provider {
  const usual: Way = {
    config,
    connections: new Connections(config.origin, createConnector(config)),
    fixedHeaders: headersOf(config, userAgent),
  }
  const staysIn = boundaryOfConnections(config)
  /** For calls within a boundary that the usual connections may leave: they share none with others. */
  const bounded = new Map<Boundary, Way>()
  const fixedNames = new Set(usual.fixedHeaders.filter((_, index) => index % 2 === 0))

  function wayWithin(boundary: Boundary): Way {
    if (boundary === 'any' || isInside(staysIn, boundary)) return usual
    const known = bounded.get(boundary)
    if (known !== undefined) return known
    const { proxy: _, ...direct } = config
    const way = {
      config: direct,
      connections: new Connections(config.origin, createBoundedConnector(config, boundary)),
      fixedHeaders: headersOf(direct, userAgent),
    }
    bounded.set(boundary, way)
    return way
  }

  function get(way: Way, path: string, handler: ResponseHandler): Exchange {
    const headers = [...way.fixedHeaders, ...versionOf(config, path), 'accept', 'application/json, */*']
    return way.connections.send({ path: requestTarget(way.config, path), method: 'GET', headers }, handler)
  }

  /** Within a boundary, sends nothing to a model that the server may pass on. */
  function sendInside(
    way: Way,
    { boundary, model }: Pick<ProviderRequest, 'boundary' | 'model'>,
    send: (handler: ResponseHandler) => Exchange,
    handler: ResponseHandler,
  ): Exchange {
    const isBounded = boundary !== undefined && boundary !== 'any'
    if (!isBounded || model === undefined || modelPlaces === undefined) return send(handler)
    const look = (reader: ResponseHandler) => get(way, modelPlaces.path, reader)
    const { hostname: host } = new URL(config.origin)
    return sendChecked({ model, places: modelPlaces, host, look, send }, handler)
  }

  return {
    name: config.name,
    kind: config.kind,
    allowsManagement: config.allowsManagement === true,
    host: new URL(config.origin).hostname,
    boundary: config.boundary ?? 'any',
    staysIn,
    timeouts: config.timeouts,
    isLocal: config.isLocal,
    hasService: config.service !== undefined,
    traceContext: config.traceContext ?? 'auto',
    includeUsage: config.includeUsage,
    maxParallelRequests: config.maxParallelRequests,
    ...ofKind,
    mask: createMask(secretsOf(config)),

    send(request, handler) {
      const { query, contentType, isStream, requestId, boundary } = request
      const way = boundary === undefined ? usual : wayWithin(boundary)
      const { body, framing } = outgoing(request.body)
      const accept = isStream ? 'text/event-stream, application/json' : '*/*'
      const own = ['content-type', contentType, 'accept', accept, 'x-request-id', requestId]
      const carried = withoutNames(request.headers, fixedNames)
      const version = carried.includes(versionName) ? [] : versionOf(config, request.path)
      const headers = [...way.fixedHeaders, ...carried, ...version, ...own, ...framing]
      const path = requestTarget(way.config, request.path, query)
      const dispatched = { path, method: 'POST' as const, body, headers }
      return sendInside(way, request, (to) => way.connections.send(dispatched, to), handler)
    },

    pass(request, handler) {
      const { method, path: below, query, headers: asked, body: sent, requestId, boundary } = request
      const way = boundary === undefined ? usual : wayWithin(boundary)
      const { body, framing } = sent === undefined ? noBody : outgoing(sent)
      const passed = asked.filter(([name]) => !config.headers.some(([configured]) => configured === name))
      const headers = [...way.fixedHeaders, ...passed.flat(), 'x-request-id', requestId, ...framing]
      const path = requestTarget(way.config, below, query)
      // Its types allow fewer methods than HTTP has.
      const dispatched = { path, method: method as 'GET', body, headers }
      return sendInside(way, request, (to) => way.connections.send(dispatched, to), handler)
    },

    get: (path, handler) => get(usual, path, handler),

    retireConnections() {
      for (const { connections } of [usual, ...bounded.values()]) connections.retire()
    },

    async close() {
      await Promise.all([usual, ...bounded.values()].map(({ connections }) => connections.close()))
    },
  }
}

/** How requests reach the provider. */
interface Way {
  readonly config: HttpProvider
  readonly connections: Connections
  /** Of every request. */
  readonly fixedHeaders: readonly string[]
}

const [versionName] = versionHeader

/** A list, to which the operator's entries add. */
const isList = /-beta$/

/** What the operator has set is not the client's to change. */
function withoutNames(headers: readonly string[], fixed: ReadonlySet<string>): readonly string[] {
  if (headers.length === 0) return headers
  const kept: string[] = []
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index]!
    if (!fixed.has(name) || isList.test(name)) kept.push(name, headers[index + 1]!)
  }
  return kept
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
