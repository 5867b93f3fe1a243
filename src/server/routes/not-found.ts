// The responses to requests that have no route.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { GatewayError } from '../../errors.ts'

/** The methods of each path. */
export type PathMethods = ReadonlyMap<string, readonly string[]>

/** Collects the methods of routes that are added from now on. */
export function collectMethods(app: FastifyInstance): PathMethods {
  const methods = new Map<string, string[]>()
  app.addHook('onRoute', ({ url, method }) => {
    const known = methods.get(url) ?? []
    methods.set(
      url,
      known.concat(method).filter((name) => name !== 'OPTIONS'),
    )
  })
  return methods
}

/** 404 `unknown_url`, or 405 with the methods of a path that exists. */
export function notFound(request: FastifyRequest, methods: PathMethods): GatewayError {
  const path = request.url.split('?', 1)[0]!
  const allowed =
    methods.get(path) ?? (/^(\/v1)?\/models\/./.test(path) ? methods.get('/v1/models/*') : undefined)
  if (allowed === undefined || allowed.length === 0) return unknownUrl(request.method, path)
  const allow = allowed.join(', ')
  const message = `${path.slice(0, 200)} accepts ${allow}, not ${request.method}.`
  return new GatewayError('method_not_allowed', message, { headers: { allow } })
}

/** @param path without its query. */
export function unknownUrl(method: string, path: string): GatewayError {
  const way = "Set the client's base URL to the gateway's address followed by /v1."
  return new GatewayError(
    'unknown_url',
    `Unknown URL: ${method} ${JSON.stringify(path.slice(0, 200))}. ${way}`,
  )
}
