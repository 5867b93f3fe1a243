// `GET /status`: the page that shows what happens, its data and its event stream. Nothing but `POST /status/cancel` changes
// anything.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { isObject, parseJson } from '../../bytes/json/parse.ts'
import { GatewayError, shuttingDown } from '../../errors.ts'
import { parseMediaType } from '../../http/media-type.ts'
import { isTimeZone } from '../../platform/time-zone.ts'
import type { StatusView } from '../../status/status-source.ts'
import { statusText } from '../../status/status-text.ts'
import type { UsageDays } from '../../status/usage.ts'
import type { ServerParts } from '../parts.ts'
import { ownHeaders } from '../reply.ts'
import { StatusFeed } from '../status-page/feed.ts'
import { statusHeaders } from '../status-page/headers.ts'
import { addPage } from '../status-page/page.ts'
import { readMethods } from './read-methods.ts'

type StatusParts = Pick<
  ServerParts,
  'draining' | 'events' | 'hasPlayground' | 'now' | 'setTimer' | 'status' | 'wallNow'
>

interface Asked {
  readonly Querystring: Readonly<Record<string, unknown>>
}

/** An id of a call. */
const maxBodyBytes = 4_096
/** As `maxModelNameLength`, and a few more for a wrong one. */
const maxNameLength = 1_024

/** @param routes whose hooks decide who may look. */
export function addStatus(routes: FastifyInstance, parts: StatusParts): void {
  const { status, events, draining, wallNow } = parts
  const feed = new StatusFeed({
    now: parts.now,
    setTimer: parts.setTimer,
    readReport: (view) => status.report(view),
    onError: (error) => events.emit({ kind: 'internal_error', error, where: 'the status page' }),
  })
  draining.addEventListener('abort', () => feed.close(), { once: true })
  routes.addHook('onSend', (_, reply, __, done) => {
    for (let index = 0; index < statusHeaders.length; index += 2) {
      reply.header(statusHeaders[index]!, statusHeaders[index + 1]!)
    }
    // Only the files of the page have one: a browser keeps them, and asks each time whether they are the newest.
    if (reply.hasHeader('etag')) reply.header('cache-control', 'no-cache')
    done()
  })
  const viewOf = (request: FastifyRequest<Asked>) => readView(request, parts)

  addPage(routes, async (request) => {
    const report = await status.report(viewOf(request as FastifyRequest<Asked>))
    return `${statusText(report, wallNow()).join('\n')}\n`
  })
  routes.route<Asked>({
    method: readMethods,
    url: '/status/data',
    async handler(request, reply) {
      const report = await status.report(viewOf(request))
      return reply.type('application/json; charset=utf-8').send(report)
    },
  })
  routes.route<Asked>({
    method: readMethods,
    url: '/status/explain',
    async handler({ query }, reply) {
      const { model } = query
      if (typeof model !== 'string' || model === '' || model.length > maxNameLength) {
        throw new GatewayError('invalid_request', 'Name one model: ?model=NAME.', { param: 'model' })
      }
      return reply.type('application/json; charset=utf-8').send(await status.explain(model))
    },
  })
  routes.route<Asked>({
    method: readMethods,
    url: '/status/events',
    handler(request, reply) {
      const view = viewOf(request)
      const type = 'text/event-stream'
      if (request.method === 'HEAD') return reply.type(type).send()
      if (draining.aborted) throw shuttingDown()
      if (feed.isFullFor(view)) {
        throw new GatewayError(
          'overloaded',
          'Eight pages are open already. Close one of them, and this one connects.',
        )
      }
      reply.hijack()
      reply.raw.writeHead(200, [
        'content-type',
        type,
        'x-accel-buffering',
        'no',
        'x-request-id',
        request.id,
        ...ownHeaders,
        ...statusHeaders,
      ])
      feed.open(reply.raw, view)
      return reply
    },
  })
  addCancel(routes, parts)
}

function addCancel(routes: FastifyInstance, { status }: Pick<StatusParts, 'status'>): void {
  routes.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: maxBodyBytes }, (_, body, done) =>
    done(null, body),
  )
  routes.post('/status/cancel', { bodyLimit: maxBodyBytes }, async (request, reply) => {
    const { viewer, body } = request
    requirePage(request)
    if (viewer?.isOwner !== true) {
      throw new GatewayError('user_not_allowed', 'Only the user that runs the gateway may cancel calls here.')
    }
    const id = idIn(body)
    if (id === undefined) {
      throw new GatewayError('invalid_request', 'The body is JSON with the id of a call: {"id": "…"}.', {
        param: 'id',
      })
    }
    if (!(await status.cancel(id, viewer.id))) {
      throw new GatewayError('object_not_found', 'No call with this id is under way; it may have just ended.')
    }
    return reply.type('application/json; charset=utf-8').send({ cancelled: true })
  })
}

/**
 * A form or a page of another site can send neither this header nor this media type without a preflight, which is refused;
 * the check of the view has compared the origin with the host where there is one.
 * @throws GatewayError for anything but a request of the page's script.
 */
function requirePage({ headers }: FastifyRequest): void {
  if (parseMediaType(headers['content-type'])?.essence !== 'application/json') {
    throw new GatewayError('unsupported_media_type', 'Send application/json.', { param: 'content-type' })
  }
  if (headers.origin === undefined || headers['x-llm-gateway-page'] !== '1') {
    const what = 'Only the status page itself may send this'
    throw new GatewayError('origin_not_allowed', `${what}; elsewhere use llm-gateway calls cancel ID.`)
  }
}

function idIn(body: unknown): string | undefined {
  const value = Buffer.isBuffer(body) ? parseJson(body) : undefined
  const id = isObject(value) ? value['id'] : undefined
  return typeof id === 'string' ? id : undefined
}

/** @throws GatewayError for a time zone or a number of days that there is not. */
function readView({ query, viewer }: FastifyRequest<Asked>, { hasPlayground }: StatusParts): StatusView {
  const { zone = 'UTC', days = '1' } = query
  if (typeof zone !== 'string' || !isTimeZone(zone)) {
    throw new GatewayError('invalid_request', 'zone is the name of a time zone: Europe/Berlin, UTC.', {
      param: 'zone',
    })
  }
  const known = usageDays.find((count) => String(count) === days)
  if (known === undefined) {
    throw new GatewayError('invalid_request', `days is one of ${usageDays.join(', ')}.`, { param: 'days' })
  }
  const isOwner = viewer?.isOwner === true
  return {
    viewer: {
      user: viewer?.id ?? null,
      sees_all: viewer?.seesAll === true,
      may_cancel: isOwner,
      playground: isOwner && hasPlayground(),
    },
    zone,
    days: known,
  }
}

const usageDays = [1, 7, 30] as const satisfies readonly UsageDays[]
