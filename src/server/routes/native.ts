// `/providers/NAME/…`: the own routes of a model server, which pass to it as they are, if the table of its kind has them.
import type { FastifyInstance, FastifyRequest, onRequestHookHandler } from 'fastify'
import { isDirect } from '../../clients/direct-connections.ts'
import { holdsKey } from '../../clients/keys/key-format.ts'
import type { RestCall } from '../../call/rest/request.ts'
import { managementNotAllowed } from '../../dialects/management.ts'
import { findNativePath, type NativeRoute, nativeRoutesOf } from '../../dialects/native/routes.ts'
import { GatewayError } from '../../errors.ts'
import { codingOf } from '../../http/content-coding.ts'
import { forwardedQuery } from '../../http/query.ts'
import { closestName } from '../../platform/did-you-mean.ts'
import { askedBoundary } from '../asked-boundary.ts'
import { errorFormatOf, errorRenderer } from '../error-format.ts'
import type { ServerParts } from '../parts.ts'
import { splitTarget } from '../paths.ts'
import { takeExchange } from '../refusal.ts'
import {
  forwardedHeaders,
  pageProblem,
  type PassingParts,
  routesProblem,
  sandbox,
  servePassed,
} from './passing.ts'

export interface NativeParts extends PassingParts, Pick<ServerParts, 'findProvider' | 'ownClientId'> {}

type FoundProvider = NonNullable<ReturnType<ServerParts['findProvider']>>

const methods = ['DELETE', 'GET', 'HEAD', 'PATCH', 'POST', 'PUT']

/** No page may read what these routes return: they have no CORS headers. */
export function addNative(app: FastifyInstance, parts: NativeParts): void {
  const config = { isRest: true }
  app.route({
    method: methods,
    url: '/providers/*',
    onRequest: takeOver(parts),
    config,
    handler: unreachable,
  })
}

function unreachable(): never {
  throw new Error('the last hook takes the requests over')
}

function takeOver(parts: NativeParts): onRequestHookHandler {
  return (fastifyRequest, fastifyReply) => {
    const startedAtMs = parts.now()
    const { raw, client } = fastifyRequest
    const asked = askedOf(fastifyRequest, parts)
    const render = errorRenderer(errorFormatOf(raw), fastifyRequest.id, parts)
    const taken = takeExchange(fastifyRequest, fastifyReply, render)
    const exchange = { ...taken, headers: [...taken.headers, ...sandbox] }
    if (asked instanceof GatewayError) return parts.refuse(exchange, asked)
    const contentType = raw.headers['content-type']
    const headers = forwardedHeaders(raw.headers)
    const { rawHeaders } = raw
    servePassed({ ...asked, headers, rawHeaders, contentType, client, startedAtMs }, exchange, parts)
  }
}

type Asked = Pick<RestCall, 'boundary' | 'ids' | 'native' | 'path' | 'query' | 'route'>

function askedOf(request: FastifyRequest, parts: NativeParts): Asked | GatewayError {
  const { raw, url, client } = request
  const { method = '' } = raw
  const forbidden = pageProblem(raw) ?? routesProblem(client)
  if (forbidden !== undefined) return forbidden
  const [name, below] = partsOf(splitTarget(url)[0])
  const provider = parts.findProvider(name)
  if (provider === undefined) return notAProvider(name)
  const routes = findNativePath(provider.kind, below)
  const route = routes.find((each) => each.method === method)
  if (route === undefined) return notARoute(`${method} ${below}`, { name, provider, routes })
  const refusal = needProblem(request, route, name, provider, parts) ?? codingProblem(request)
  if (refusal !== undefined) return refusal
  // In its normal form, and below the server's root.
  const native = { provider: name, withheld: route.withheld }
  const boundary = askedBoundary(raw.headers)
  if (boundary instanceof GatewayError) return boundary
  return { boundary, route, native, path: `/${below}`, ids: [], query: forwardedQuery(url, holdsKey) }
}

const prefix = '/providers/'

function partsOf(path: string): [name: string, below: string] {
  const rest = path.slice(prefix.length)
  const at = rest.indexOf('/')
  return at < 0 ? [rest, ''] : [rest.slice(0, at), rest.slice(at)]
}

function needProblem(
  { raw, client }: FastifyRequest,
  { method, path, needs }: NativeRoute,
  name: string,
  { allowsManagement }: FoundProvider,
  { ownClientId }: NativeParts,
): GatewayError | undefined {
  if (needs === undefined) return undefined
  if (needs === 'management') {
    // Also by GET: a page must not cause it.
    const page = pageProblem({ method: 'POST', headers: raw.headers })
    if (page !== undefined) return page
    return allowsManagement ? undefined : managementNotAllowed(`${method} ${path}`, name)
  }
  // A proxy that nobody has declared connects as its own user, which may be the gateway's; its clients are others.
  const isOwn = client.isMaster === true || (client.id === ownClientId && isDirect(raw))
  if (isOwn || allowsManagement) return undefined
  const message = `${method} ${path} shows provider "${name}" and what its clients do: only the gateway's own user may see it, unless providers.${name}.allow_management is true.`
  return new GatewayError('management_not_allowed', message)
}

/** Model servers decode nothing, and what is not decoded here cannot be judged. */
function codingProblem({ raw }: FastifyRequest): GatewayError | undefined {
  const header = raw.headers['content-encoding']
  if (header === undefined || codingOf(header) === 'identity') return undefined
  const message = 'A body passes to a provider uncompressed only; send it without content-encoding.'
  return new GatewayError('unsupported_media_type', message, { param: 'content-encoding' })
}

function notAProvider(name: string): GatewayError {
  const message = `No provider of the gateway's configuration is named ${JSON.stringify(name.slice(0, 64))}.`
  return new GatewayError('unknown_url', message)
}

interface Missing {
  readonly name: string
  readonly provider: FoundProvider
  readonly routes: readonly NativeRoute[]
}

function notARoute(asked: string, { name, provider: { kind }, routes }: Missing): GatewayError {
  const seen = `${JSON.stringify(asked.slice(0, 200))} does not pass to provider "${name}"`
  if (routes.length > 0) {
    const known = routes.map(({ method }) => method).join(', ')
    return new GatewayError('unknown_url', `${seen}: the path has ${known}.`)
  }
  const near = closestName(
    asked,
    nativeRoutesOf(kind).map(({ method, path }) => `${method} ${path}`),
  )
  const hint = near === undefined ? '' : ` Did you mean ${JSON.stringify(near)}?`
  const message = `${seen}: it is not among the routes of a server of kind ${kind} that the gateway passes on.${hint}`
  return new GatewayError('unknown_url', message)
}
