// With `routes.rest`, the routes of OpenAI's API that have no file here pass to one provider. Fastify routes them to one wildcard
// and runs its hooks; the last hook takes the response over.
import type { FastifyInstance, FastifyRequest, onRequestHookHandler } from 'fastify'
import { holdsKey } from '../../clients/keys/key-format.ts'
import type { RestCall } from '../../call/rest/request.ts'
import { type ApiRoute, closestApiPath, findApiPath, whyNotPassed } from '../../dialects/openai/api-routes.ts'
import { dialects } from '../../dialects/table.ts'
import { GatewayError } from '../../errors.ts'
import { forwardedQuery } from '../../http/query.ts'
import { askedBoundary } from '../asked-boundary.ts'
import { errorFormatOf, errorRenderer } from '../error-format.ts'
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

const methods = ['DELETE', 'GET', 'HEAD', 'PATCH', 'POST', 'PUT']

/** Adds the wildcard below the prefix of `app`. No page may read what it returns: it has no CORS headers. */
export function addRest(app: FastifyInstance, parts: PassingParts): void {
  const config = { isRest: true }
  app.route({ method: methods, url: '/*', onRequest: takeOver(parts), config, handler: unreachable })
}

function unreachable(): never {
  throw new Error('the last hook takes the requests over')
}

function takeOver(parts: PassingParts): onRequestHookHandler {
  return (fastifyRequest, fastifyReply) => {
    const startedAtMs = parts.now()
    const { raw } = fastifyRequest
    const { client } = fastifyRequest
    const asked = pageProblem(raw) ?? routesProblem(client) ?? askedOf(fastifyRequest)
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

type Asked = Pick<RestCall, 'boundary' | 'route' | 'path' | 'ids' | 'query'>

function askedOf({ raw, url }: FastifyRequest): Asked | GatewayError {
  const path = splitTarget(url)[0].slice('/v1'.length)
  const found = findApiPath(path)
  const { method = '' } = raw
  const route = found?.routes.find((each) => each.method === method)
  if (found === undefined || route === undefined) return notPassed(method, path, found?.routes ?? [])
  const boundary = askedBoundary(raw.headers)
  if (boundary instanceof GatewayError) return boundary
  return { boundary, route, path, ids: found.ids, query: forwardedQuery(url, holdsKey) }
}

function notPassed(method: string, path: string, routes: readonly ApiRoute[]): GatewayError {
  const seen = `${method} ${JSON.stringify(`/v1${path}`.slice(0, 200))}`
  const known = routes.map((route) => route.method).join(', ')
  const why = known === '' ? whyNotPassed(path) : `the path has ${known}`
  const near = known === '' ? closestApiPath(path, ownPaths) : undefined
  const hint = near === undefined ? '' : ` Did you mean ${JSON.stringify(`/v1${near}`)}?`
  const message = `routes.rest of the gateway's configuration does not pass ${seen} on: ${why}.${hint}`
  return new GatewayError('management_not_allowed', message)
}

/** Paths below `/v1` that have a file here, which are mistyped most often. */
const ownPaths = [...Array.from(dialects.keys(), ({ path }) => path), '/limits', '/models']
