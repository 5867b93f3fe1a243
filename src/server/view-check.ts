// Who may look at the metrics and the status page: judged by the Unix user of the connection, whatever its keys. What a proxy
// has forwarded could be anybody's, so these pages do not exist there, unless the proxy vouches for an identity that is listed.
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { isOfPrivateSocket, isTrustedProxy, uidOfSocket } from '../clients/client.ts'
import { GatewayError } from '../errors.ts'
import { headerLines } from '../http/headers.ts'
import { corsHeaderNames } from './cors.ts'
import type { Observers, View } from './observers.ts'
import type { ServerParts } from './parts.ts'
import { splitTarget } from './paths.ts'
import { unknownUrl } from './routes/not-found.ts'

/** Who looks. */
interface Viewer {
  /** As clients are named: `user:ann`, `mail:ann@example.org`. */
  readonly id: string
  /** The user that runs the gateway, directly. */
  readonly isOwner: boolean
  /** Root or the owner, who may know of everybody's calls. */
  readonly seesAll: boolean
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set on the routes of a view. */
    viewer: Viewer | undefined
  }
}

export type ViewParts = Pick<
  ServerParts,
  'clientOf' | 'findUser' | 'identityCheck' | 'isServedViaProxy' | 'observers'
>

/** Adds the check to all routes of an encapsulated part of the server. */
export function addViewCheck(routes: FastifyInstance, view: View, parts: ViewParts): void {
  // The check of keys is not for them, nor is that of identities where nothing was forwarded.
  routes.addHook('onRoute', (route) => {
    route.config = { ...route.config, isOpen: true }
  })
  routes.addHook('onRequest', async (request, reply) => {
    for (const name of corsHeaderNames(request.headers.origin)) reply.removeHeader(name)
    reply.header('cache-control', 'no-store')
    const viewer = await viewerOf(request, view, parts)
    if (viewer === undefined) throw unknownUrl(targetOf(request))
    request.viewer = viewer
  })
}

/** Finds out who sends `GET /` from a browser, before keys and identities are checked: a viewer of the status page gets it there. */
export function addRootViewer(app: FastifyInstance, parts: ViewParts): void {
  app.addHook('onRequest', (request, _, done) => {
    if (request.url !== '/' || !acceptsHtml(request.headers.accept)) return done()
    viewerOf(request, 'status', parts).then(
      (viewer) => {
        request.viewer = viewer
        done()
      },
      // The line for programs is for everybody.
      () => done(),
    )
  })
}

function acceptsHtml(accept = ''): boolean {
  return /\btext\/html\b/i.test(accept)
}

function targetOf({ method, url, headers }: FastifyRequest) {
  return { method, path: splitTarget(url)[0], host: headers.host }
}

/** @returns undefined where the view does not exist. @throws GatewayError for others than those who may look. */
async function viewerOf(
  request: FastifyRequest,
  view: View,
  { observers, findUser, ...parts }: ViewParts,
): Promise<Viewer | undefined> {
  const { raw } = request
  const { socket } = raw
  const uid = uidOfSocket(socket) ?? (await findUser(socket))
  // With a trusted proxy, the Unix socket is its entrance, whoever it runs as: plain nginx adds no header.
  const isOwner = uid !== undefined && observers.isOwn(uid)
  if (isForwarded(raw) || (isTrustedProxy(socket) && (!isOwner || isOfPrivateSocket(socket)))) {
    return view === 'status' && parts.isServedViaProxy() ? forwardedViewer(raw, observers, parts) : undefined
  }
  requireOwnPage(raw)
  if (uid === undefined) throw unknownUser(view)
  if (!observers.mayLook(view, uid)) throw notListed(observers.nameOf(uid), view)
  return { id: `user:${observers.nameOf(uid)}`, isOwner, seesAll: isOwner || uid === 0 }
}

/** An identity may see the page as far as its own calls go. */
async function forwardedViewer(
  raw: IncomingMessage,
  observers: Observers,
  { identityCheck, clientOf }: Pick<ViewParts, 'identityCheck' | 'clientOf'>,
): Promise<Viewer | undefined> {
  if (!isTrustedProxy(raw.socket) || identityCheck === undefined) return undefined
  const refusal = await identityCheck.check(raw)
  if (refusal !== undefined) throw refusal
  const { id } = clientOf(raw)
  if (observers.mayIdentityLook(id)) {
    requireOwnPage(raw)
    return { id, isOwner: false, seesAll: false }
  }
  const what = `The identity ${JSON.stringify(id)} may not see the status page`
  throw new GatewayError('identity_not_allowed', `${what}; status.allowed_users lists those who may.`)
}

/**
 * Whether the status page has sent a request, in the browser of the user that runs the gateway: its origin is the Host, which a
 * guard has accepted before. Other pages need `cors`.
 * @param hasPlayground whether the page may call models, and not only the routes below `/status`.
 */
export function ownPageReader(
  observers: Pick<Observers, 'isOwn'>,
  hasPlayground: () => boolean,
): (request: IncomingMessage) => boolean {
  return (request) => {
    const { headers, socket, url = '' } = request
    const { origin, host } = headers
    if (host === undefined || origin !== `http://${host.toLowerCase()}` || isForwarded(request)) return false
    const uid = uidOfSocket(socket)
    // Where users are not told apart, each of them may call.
    if (uid !== undefined && !observers.isOwn(uid)) return false
    return url.startsWith('/status/') || hasPlayground()
  }
}

/** What proxies add, also those that nobody has listed. Some write `_` for `-`, as CGI does. */
const proxyHeader =
  /^(?:forwarded|forwarded-for|via|(?:x-)?(?:real|client|cluster-client)-ip|true-client-ip|(?:cf|fastly|do)-.*-ip|x-(?:original-)?forwarded(?:-.*)?|x-original-(?:for|host|proto)|x-envoy-.*|x-proxyuser-ip|tailscale-.*)$/

function isForwarded({ headers }: IncomingMessage): boolean {
  return Object.keys(headers).some((name) => proxyHeader.test(name.replaceAll('_', '-')))
}

/** Pages of other origins may not look, whatever `cors` allows them. Browsers send neither header in a plain navigation. */
function requireOwnPage(request: IncomingMessage): void {
  const { host } = request.headers
  const origins = headerLines(request, 'origin')
  const isOwn = origins.every((origin) => origin === `http://${host}` || origin === `https://${host}`)
  const sites = headerLines(request, 'sec-fetch-site')
  if (isOwn && sites.every((site) => site === 'none' || site === 'same-origin')) return
  const what = 'Pages of other sites may not look at this one, whatever cors allows'
  throw new GatewayError('origin_not_allowed', `${what}. Type its address.`)
}

function notListed(name: string, view: View): GatewayError {
  const what = `The Unix user ${JSON.stringify(name)} may not see the ${nounOf[view]}`
  return new GatewayError('user_not_allowed', `${what}; ${view}.allowed_users lists those who may.`)
}

function unknownUser(view: View): GatewayError {
  const what = 'The Unix user at the other end of this connection is unknown'
  return new GatewayError('user_not_allowed', `${what}, and ${view}.allowed_users requires it.`)
}

const nounOf = { metrics: 'metrics', status: 'status page' } as const satisfies Record<View, string>
