// The responses to requests that have no route.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { isServerState } from '../../dialects/native/routes.ts'
import { findApiPath } from '../../dialects/openai/api-routes.ts'
import { dialects } from '../../dialects/table.ts'
import { GatewayError } from '../../errors.ts'
import { isOllamaPath, splitTarget } from '../paths.ts'
import { baseUrlOf } from './root.ts'

/** The methods of each path. */
export type PathMethods = ReadonlyMap<string, readonly string[]>

/** Collects the methods of routes that are added from now on. */
export function collectMethods(app: FastifyInstance): PathMethods {
  const methods = new Map<string, string[]>()
  app.addHook('onRoute', ({ url, method, config }) => {
    if (config?.isRest === true) return
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
  const { method, url, originalUrl } = request
  const [routed] = splitTarget(url)
  const allowed = methods.get(routeOf(routed)) ?? []
  const [path] = splitTarget(originalUrl)
  const { host } = request.headers
  if (allowed.length === 0) return unknownUrl({ method, path, host }, splitTarget(url)[0])
  const allow = allowed.join(', ')
  const where = isBare(routed) ? ` ${baseUrlHint(host)}` : ''
  const message = `${path.slice(0, 200)} accepts ${allow}, not ${method}.${where}`
  return new GatewayError('method_not_allowed', message, { headers: { allow } })
}

/** Whether a path has a route of the gateway's own, for whatever methods. */
export function hasOwnRoute(target: string, methods: PathMethods): boolean {
  return methods.has(routeOf(splitTarget(target)[0]))
}

/** The path as its route has it. */
function routeOf(path: string): string {
  if (/^\/v1\/models\/./.test(path)) return '/v1/models/*'
  return path.length > 1 ? path.replace(/\/$/, '') : path
}

/** What a client's user can see of a request that has no route. */
interface UnknownTarget {
  readonly method: string
  /** Without its query. */
  readonly path: string
  readonly host: string | undefined
}

/** @param routed the path that was routed in its place. */
export function unknownUrl({ method, path, host }: UnknownTarget, routed = path): GatewayError {
  const seen = `Unknown URL: ${method} ${JSON.stringify(path.slice(0, 200))}.`
  const services = servicesHint(path)
  if (services !== undefined) return new GatewayError('unknown_url', `${seen} ${services}`)
  // Monitors mean the gateway's own, which may be off or not theirs to see.
  if (method === 'GET' && path !== '/metrics' && isServerState(path)) {
    const where = `GET /providers/NAME${path} asks the server of the provider NAME.`
    return new GatewayError('unknown_url', `${seen} It is a route of model servers: ${where}`)
  }
  const isOfApi = findApiPath(routed.replace(/^\/v1(?=\/)/, '')) !== undefined
  return new GatewayError(
    'unknown_url',
    `${seen} ${isOfApi && doubledEndpoint(path) === undefined ? restHint(routed, host) : hintFor(path, host)}`,
  )
}

/** What people look for who have steered model servers by llama-swap's own routes. */
function servicesHint(path: string): string | undefined {
  const first = path.split('/')[1] ?? ''
  const command = commandsOf.get(first)
  if (command !== undefined) return `Model servers are listed and stopped on the command line: ${command}.`
  return first === 'upstream' ? 'The own routes of a model server are below /providers/NAME.' : undefined
}

/** By the first part of a path. */
const commandsOf: ReadonlyMap<string, string> = new Map([
  ['running', 'llm-gateway services'],
  ['unload', 'llm-gateway services stop NAME'],
  ['logs', 'llm-gateway services NAME'],
])

function restHint(path: string, host: string | undefined): string {
  if (!path.startsWith('/v1/')) return baseUrlHint(host)
  return 'Set routes.rest to a provider of the configuration, to which such requests then pass.'
}

/** Which base URL the client should have. */
function hintFor(path: string, host: string | undefined): string {
  const base = baseUrlOf(host)
  if (isOllamaPath(path)) {
    return `Of Ollama's own API, answers and lists of models are served; models are made, fetched and removed at their servers.`
  }
  if (/^(?:\/v1)?\/v1(?:alpha|beta)\d*\//.test(path)) {
    return `Gemini's own API is not served here: use a client of OpenAI's API with the base URL ${base}.`
  }
  const endpoint = doubledEndpoint(path)
  if (endpoint !== undefined) {
    return `The client adds the endpoint itself: remove ${endpoint} from its base URL, so that it is ${base}.`
  }
  return baseUrlHint(host)
}

/** The endpoint that a base URL must not end in. */
function doubledEndpoint(path: string): string | undefined {
  const below = path.replace(/^\/v1/, '')
  return endpoints.find((each) => below.startsWith(each) && added.has(below.slice(each.length)))
}

const endpoints = Array.from(dialects.keys(), ({ path }) => path)
/** What clients add to their base URL. */
const added: ReadonlySet<string> = new Set([...endpoints, '/models'])

function baseUrlHint(host: string | undefined): string {
  return `Set the client's base URL to ${baseUrlOf(host)}.`
}

/** No path at all, or that of a base URL. */
function isBare(path: string): boolean {
  return path === '/' || /^\/v1\/?$/.test(path)
}
