// The way in of model calls: from a request whose head has passed the guards to a call with its body. These paths are
// known and few, so no router, hook or body parser of a framework stands between.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FloodWindows } from '../admission/flood-windows.ts'
import type { Call } from '../call/call.ts'
import type { Dialect } from '../dialects/dialect.ts'
import { scannerOf } from '../dialects/request.ts'
import { dialects } from '../dialects/table.ts'
import type { Client } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { BodyMemory } from '../http/large-body.ts'
import { parseMediaType } from '../http/media-type.ts'
import { corsHeaders } from './cors.ts'
import { floodRefusal } from './flood-limit.ts'
import { bodyTooLarge } from './guards/body-size.ts'
import { HttpReply } from './reply.ts'
import { readBody } from './request-body.ts'
import { requestIdOf } from './request-id.ts'
import type { Turns } from './turns.ts'

/** The same routes with and without `/v1`: clients disagree on which the base URL holds. */
export const prefixes = ['/v1', ''] as const

const dialectByPath: ReadonlyMap<string, Dialect> = new Map(
  prefixes.flatMap((prefix) => dialects.map((dialect) => [prefix + dialect.path, dialect])),
)

/** Paths of model calls, with and without `/v1`. */
export const modelPaths: readonly string[] = [...dialectByPath.keys()]

export interface ModelCallParts {
  readonly maxBodyBytes: number
  /** In which large bodies are read. */
  readonly turns: Turns
  readonly memory: BodyMemory
  readonly floodWindows: FloodWindows | undefined
  readonly clientOf: (request: IncomingMessage) => Client
  readonly serveCall: (call: Call) => void
  /** @param own headers of the answer whatever it says: names and values in turn. */
  readonly refuse: (
    request: IncomingMessage,
    response: ServerResponse,
    error: GatewayError,
    own: readonly string[],
  ) => void
  readonly now: () => number
}

/** Takes a model call on its way. False: the request is none, and nothing was done. */
export function takeModelCall(
  request: IncomingMessage,
  response: ServerResponse,
  parts: ModelCallParts,
): boolean {
  const dialect = request.method === 'POST' ? dialectByPath.get(pathOf(request.url!)) : undefined
  if (dialect === undefined) return false
  const startedAtMs = parts.now()
  const client = parts.clientOf(request)
  const requestId = requestIdOf(request)
  const own = ['x-request-id', requestId, ...corsHeaders(request.headers.origin)]
  const contentType = request.headers['content-type']
  const { maxBodyBytes: maxBytes, turns, memory } = parts
  const takeIn = (refusal: GatewayError | undefined) => {
    if (refusal !== undefined) return parts.refuse(request, response, refusal, own)
    readBody(request, {
      maxBytes,
      turns,
      memory,
      scannerOf: (bytes) => scannerOf(dialect, bytes),
      onBody(body) {
        const reply = new HttpReply(response, own)
        parts.serveCall({ dialect, body, contentType, requestId, client, reply, startedAtMs })
      },
      onTooLarge: () => parts.refuse(request, response, bodyTooLarge(maxBytes), own),
      onBroken: () => parts.refuse(request, response, brokenOff(), own),
    })
  }
  const flood = floodRefusal(parts.floodWindows, client)
  if (!(flood instanceof Promise)) takeIn(flood ?? mediaTypeProblem(contentType, dialect))
  else {
    void flood.then((late) => {
      // Nobody is left to read the body from, or to be told.
      if (!request.destroyed) takeIn(late ?? mediaTypeProblem(contentType, dialect))
    })
  }
  return true
}

/** For the log: there is nobody to be told. */
function brokenOff(): GatewayError {
  return new GatewayError('invalid_request', 'The connection broke before the body was whole.')
}

function pathOf(url: string): string {
  const query = url.indexOf('?')
  return query < 0 ? url : url.slice(0, query)
}

/** Before the body is read, so that a wrong one costs nothing. */
function mediaTypeProblem(contentType: string | undefined, { body }: Dialect): GatewayError | undefined {
  if (contentType === 'application/json' && body === 'json') return undefined
  const expected = body === 'json' ? 'application/json' : 'multipart/form-data'
  const type = parseMediaType(contentType)
  if (type?.essence !== expected) {
    const seen = contentType === undefined ? 'none' : JSON.stringify(contentType)
    const message = `The content-type must be ${expected}; this request has ${seen}.`
    return new GatewayError('unsupported_media_type', message)
  }
  if (type.charset === undefined || type.charset.toLowerCase() === 'utf-8') return undefined
  const message = `The charset must be utf-8, not ${JSON.stringify(type.charset)}.`
  return new GatewayError('unsupported_media_type', message)
}
