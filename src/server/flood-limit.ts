// The flood limit: how many requests one client may send, before a byte of any body is read.
import rateLimit, { type FastifyRateLimitStore, type FastifyRateLimitStoreCtor } from '@fastify/rate-limit'
import type {
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  HookHandlerDoneFunction,
  onRequestHookHandler,
} from 'fastify'
import { floodWindowMs, type FloodWindows } from '../admission/flood-windows.ts'
import { GatewayError } from '../errors.ts'
import { floodError } from './flood-error.ts'
import type { FloodLine } from './flood-line.ts'
import type { ServerParts } from './parts.ts'
import type { Departures } from './peer/departures.ts'
import { factsOfUnread } from './unread-call.ts'

export interface FloodLimit {
  /** Requests of one client in any 60 seconds. */
  readonly rpm: number
  /** Undefined: the plugin's own, which begin with a client's first request, in each thread. */
  readonly windows?: FloodWindows
  /** Key of the configuration that sets the limit; undefined: none does. */
  readonly key?: string
  /** Where requests wait for room; undefined: they are refused at once. */
  readonly line?: FloodLine
  readonly departures: Pick<Departures, 'hasLeft'>
}

/**
 * The hook that applies a flood limit to the routes below `api` that have it: one count for all of them. It is ours, because
 * the plugin's own would add headers and an error that the gateway does not send.
 */
export async function floodLimitHook(
  api: FastifyInstance,
  { rpm, windows, key, line, departures }: FloodLimit,
  { now, events }: Pick<ServerParts, 'now' | 'events'>,
): Promise<onRequestHookHandler> {
  await api.register(rateLimit, {
    global: false,
    max: rpm,
    timeWindow: floodWindowMs,
    keyGenerator: (request) => request.client.id,
    ...(windows !== undefined && { store: storeOver(windows) }),
  })
  const count = api.createRateLimit()
  /**
   * Why a request may not go on that is over the limit, or whose client has left.
   * @returns `gone`: there is nobody to respond to.
   */
  const refusalOf = async (first: Count, { request, reply: { raw }, sinceMs }: CountedRequest) => {
    const client = request.client.id
    const { socket } = request.raw
    const onClose = (left: () => void) => {
      raw.once('close', left)
      return () => void raw.off('close', left)
    }
    const hasLeft = () => departures.hasLeft(socket)
    for (let result = first; ; result = await count(request)) {
      // The client left meanwhile, and there is no body to read.
      if (socket.destroyed) return 'gone'
      if (!isOverLimit(result)) return undefined
      const end = await line?.wait({ client, sinceMs, onClose, hasLeft }, result.ttl)
      if (end === 'gone') return end
      if (end === 'stopped') return new GatewayError('shutting_down', 'The gateway is shutting down.')
      if (end === undefined) return floodError({ client, rpm, waitMs: result.ttl, key })
    }
  }
  const refuse = (result: Count, counted: CountedRequest, done: HookHandlerDoneFunction) => {
    const { request, sinceMs } = counted
    refusalOf(result, counted).then((refusal) => {
      if (refusal !== 'gone') return done(refusal)
      // Of a client that has only stopped sending, the connection still stands.
      request.raw.socket.destroy()
      const waitedMs = now() - sinceMs
      const call = factsOfUnread(request, { waitedMs, durationMs: waitedMs })
      if (call !== undefined) events.emit({ kind: 'call_ended', call })
    }, done)
  }
  return (request, reply, done) => {
    const sinceMs = now()
    count(request).then((result) => {
      // Nearly every request goes on at once.
      if (!isOverLimit(result) && !request.raw.socket.destroyed) done()
      else refuse(result, { request, reply, sinceMs }, done)
    }, done)
  }
}

type Count = Awaited<ReturnType<ReturnType<FastifyInstance['createRateLimit']>>>

interface CountedRequest {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  /** When it arrived, in milliseconds of the clock. */
  readonly sinceMs: number
}

function isOverLimit(result: Count): result is Count & { readonly isAllowed: false } {
  return !result.isAllowed && result.isExceeded
}

/**
 * The plugin's windows are fixed, and its stores report a count to compare with `max`. Exact windows decide themselves:
 * a request that has to wait is reported as one too many, with its wait as the `ttl`.
 */
function storeOver(windows: FloodWindows): FastifyRateLimitStoreCtor {
  return class implements FastifyRateLimitStore {
    incr(client: string, done: Parameters<FastifyRateLimitStore['incr']>[1], _: number, max: number): void {
      const report = (waitMs: number) => done(null, { current: waitMs === 0 ? max : max + 1, ttl: waitMs })
      const waitMs = windows.take(client)
      if (waitMs instanceof Promise) waitMs.then(report, (error: Error) => done(error))
      else report(waitMs)
    }

    child(): FastifyRateLimitStore {
      return this
    }
  }
}
