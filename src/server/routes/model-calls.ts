// Model calls: from a request whose head has passed the guards to a call with its body. fastify routes them and runs their
// hooks; the last hook takes the response over, so that none of fastify's body parsing and sending runs.
import type { FastifyInstance, onRequestHookHandler } from 'fastify'
import type { ClientDialect } from '../../dialects/dialect.ts'
import { GatewayError } from '../../errors.ts'
import type { BodyMemory } from '../../bytes/large-body.ts'
import { parseMediaType } from '../../http/media-type.ts'
import { bodyTooLarge } from '../guards/body-size.ts'
import type { ServerParts } from '../parts.ts'
import { type Refuse, takeExchange } from '../refusal.ts'
import { HttpReply } from '../reply.ts'
import { readBody } from '../request-body.ts'
import type { TimeSlicer } from '../time-slicer.ts'

export interface ModelCallParts extends Pick<ServerParts, 'maxBodyBytes' | 'dialects' | 'serveCall' | 'now'> {
  /** Limits the time in which large bodies are read. */
  readonly slicer: TimeSlicer
  readonly memory: BodyMemory
  readonly refuse: Refuse
}

/** Adds a route for each dialect. */
export function addModelCalls(app: FastifyInstance, parts: ModelCallParts): void {
  for (const dialect of parts.dialects.keys()) {
    const options = { onRequest: takeOver(dialect, parts), config: { dialect } }
    app.post(dialect.path, options, unreachable)
  }
}

/** The last hook: takes the response over from fastify, and reads the body. */
function takeOver(dialect: ClientDialect, parts: ModelCallParts): onRequestHookHandler {
  const { maxBodyBytes: maxBytes, slicer, memory, refuse, serveCall, now } = parts
  const { scannerOf, renderError } = dialect
  return (fastifyRequest, fastifyReply, done) => {
    const startedAtMs = now()
    const contentType = fastifyRequest.raw.headers['content-type']
    // Before the body is read, so that a wrong one costs nothing.
    const problem = mediaTypeProblem(contentType, dialect.body)
    if (problem !== undefined) return done(problem)
    const exchange = takeExchange(fastifyRequest, fastifyReply, renderError)
    const { request, response, requestId, headers } = exchange
    const { client } = fastifyRequest
    readBody(request, {
      maxBytes,
      slicer,
      memory,
      scannerOf,
      onBody(body) {
        const reply = new HttpReply(response, headers, renderError)
        serveCall({ dialect, body, contentType, requestId, client, reply, startedAtMs })
      },
      onTooLarge: () => refuse(exchange, bodyTooLarge(maxBytes)),
      onBroken: () => refuse(exchange, brokenOff()),
    })
  }
}

function unreachable(): never {
  throw new Error('the last hook takes model calls over')
}

/** For the log: nobody is left to receive it. */
function brokenOff(): GatewayError {
  return new GatewayError('invalid_request', 'The connection broke before the body was complete.')
}

function mediaTypeProblem(
  contentType: string | undefined,
  body: ClientDialect['body'],
): GatewayError | undefined {
  if (contentType === 'application/json' && body === 'json') return undefined
  const expected = body === 'json' ? 'application/json' : 'multipart/form-data'
  const type = parseMediaType(contentType)
  if (type?.essence !== expected) {
    const seen = contentType === undefined ? 'none' : JSON.stringify(contentType)
    const message = `The content-type must be ${expected}; this request has ${seen}.`
    return new GatewayError('unsupported_media_type', message)
  }
  const charset = type.params.get('charset')
  if (charset === null || charset.toLowerCase() === 'utf-8') return undefined
  const message = `The charset must be utf-8, not ${JSON.stringify(charset)}.`
  return new GatewayError('unsupported_media_type', message)
}
