// Model calls: from a request whose head has passed the guards to a call with its body. fastify routes them and runs their
// hooks; the last hook takes the response over, so that none of fastify's body parsing and sending runs.
import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyInstance, FastifyRequest, onRequestHookHandler } from 'fastify'
import { holdsKey } from '../../clients/keys/key-format.ts'
import type { ClientDialect } from '../../dialects/dialect.ts'
import { GatewayError } from '../../errors.ts'
import type { BodyMemory, LargeBody } from '../../bytes/large-body.ts'
import { codingOf } from '../../http/content-coding.ts'
import { parseMediaType } from '../../http/media-type.ts'
import { forwardedQuery } from '../../http/query.ts'
import { askedBoundary } from '../asked-boundary.ts'
import { type BodyBudget, outOfBodyMemory } from '../body-budget.ts'
import { type DecoderQueue, readCodedBody } from '../coded-body.ts'
import { errorRenderer } from '../error-format.ts'
import { bodyTooLarge } from '../guards/body-size.ts'
import type { ServerParts } from '../parts.ts'
import type { TargetReader } from '../paths.ts'
import { type Refuse, takeExchange } from '../refusal.ts'
import { HttpReply } from '../reply.ts'
import { readBody } from '../request-body.ts'
import type { TimeSlicer } from '../time-slicer.ts'
import { factsOfUnread } from '../unread-call.ts'

export interface ModelCallParts extends Pick<
  ServerParts,
  'maxBodyBytes' | 'dialects' | 'serveCall' | 'events' | 'now' | 'wallNow'
> {
  /** Limits the time in which large bodies are read. */
  readonly slicer: TimeSlicer
  readonly memory: BodyMemory
  readonly budget: BodyBudget
  readonly queue: DecoderQueue
  readonly refuse: Refuse
  readonly targets: Pick<TargetReader, 'deploymentIn'>
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
  const {
    maxBodyBytes: maxBytes,
    slicer,
    memory,
    budget,
    queue,
    refuse,
    targets,
    serveCall,
    events,
    now,
  } = parts
  const { scannerOf } = dialect
  return (fastifyRequest, fastifyReply, done) => {
    const startedAtMs = now()
    const contentType = fastifyRequest.raw.headers['content-type']
    // Before the body is read, so that a wrong one costs nothing.
    const problem = mediaTypeProblem(fastifyRequest.raw.headers, dialect.bodies)
    if (problem !== undefined) return done(problem)
    const boundary = askedBoundary(fastifyRequest.raw.headers)
    if (boundary instanceof GatewayError) return done(boundary)
    const renderError = errorRenderer(dialect.renderError, fastifyRequest.id, parts)
    const model = deploymentName(fastifyRequest, targets)
    if (model instanceof GatewayError) return done(model)
    const exchange = takeExchange(fastifyRequest, fastifyReply, renderError)
    const { request, response, requestId, headers } = exchange
    const { client } = fastifyRequest
    const query = forwardedQuery(request.url ?? '', holdsKey)
    // Only now can the head no longer be refused: a final status earlier spares the client the body. HTTP/1.0 has no interim
    // responses, so that a server ignores the expectation there (RFC 9110 §10.1.1).
    if (request.headers.expect !== undefined && request.httpVersionMinor > 0) response.writeContinue()
    const share = budget.shareOf(client.id)
    const options = {
      maxBytes,
      slicer,
      memory,
      share,
      scannerOf: (bytes: Buffer) => scannerOf(contentType, bytes),
      onBody(body: Buffer | LargeBody) {
        const reply = new HttpReply(response, headers, renderError)
        const { rawHeaders } = request
        const asked = { dialect, body, bodyShare: share, contentType, model, query, rawHeaders, boundary }
        serveCall({ ...asked, requestId, client, reply, startedAtMs })
      },
      onTooLarge: () => refuse(exchange, bodyTooLarge(maxBytes)),
      onNoMemory: () => refuse(exchange, outOfBodyMemory(budget)),
      onBroken: () => refuse(exchange, brokenOff()),
    }
    const coding = codingOf(request.headers['content-encoding']) ?? 'identity'
    if (coding === 'identity') return readBody(request, options)
    const onUndecodable = () => refuse(exchange, undecodable(coding))
    const onLeft = () => {
      const call = factsOfUnread(fastifyRequest, { waitedMs: 0, durationMs: now() - startedAtMs })
      if (call !== undefined) events.emit({ kind: 'call_ended', call })
    }
    const codedShare = budget.shareOf(client.id)
    const decoding = { coding, codedShare, queue, response, onUndecodable, onLeft }
    readCodedBody(request, { ...options, ...decoding })
  }
}

function unreachable(): never {
  throw new Error('the last hook takes model calls over')
}

/** The model that an Azure path names, in characters. */
const maxNameLength = 1_024

function deploymentName(
  { url, originalUrl }: FastifyRequest,
  { deploymentIn }: ModelCallParts['targets'],
): string | GatewayError | undefined {
  const written = url === originalUrl ? undefined : deploymentIn(originalUrl)
  if (written === undefined) return undefined
  const name = decoded(written)
  if (name === undefined) {
    return new GatewayError('invalid_request', 'The path is not valid percent-encoded UTF-8.')
  }
  if (name.length <= maxNameLength) return name
  const message = `The deployment's name in the path is longer than ${maxNameLength} characters.`
  return new GatewayError('invalid_request', message)
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

function undecodable(coding: string): GatewayError {
  const message = `The body is not whole in the content-encoding ${coding} that the request names, or goes on behind it.`
  return new GatewayError('invalid_request', message, { param: 'content-encoding' })
}

/** For the log: nobody is left to receive it. */
function brokenOff(): GatewayError {
  return new GatewayError('invalid_request', 'The connection broke before the body was complete.')
}

const mediaTypes = { json: 'application/json', multipart: 'multipart/form-data' } as const

function mediaTypeProblem(
  headers: IncomingHttpHeaders,
  bodies: ClientDialect['bodies'],
): GatewayError | undefined {
  const contentType = headers['content-type']
  const mayBeJson = bodies.includes('json')
  if (contentType === mediaTypes.json && mayBeJson) return undefined
  if (contentType === undefined && mayBeJson && isOfNoBrowser(headers)) return undefined
  const type = parseMediaType(contentType)
  if (!bodies.some((body) => mediaTypes[body] === type?.essence)) {
    const seen = contentType === undefined ? 'none' : JSON.stringify(contentType)
    const expected = bodies.map((body) => mediaTypes[body]).join(' or ')
    const hint = mayBeJson ? ` Send the header "content-type: ${mediaTypes.json}" with a JSON body.` : ''
    const message = `The content-type must be ${expected}; this request has ${seen}.${hint}`
    return new GatewayError('unsupported_media_type', message)
  }
  const charset = type?.params.get('charset') ?? null
  if (charset === null || charset.toLowerCase() === 'utf-8') return undefined
  const message = `The charset must be utf-8, not ${JSON.stringify(charset)}.`
  return new GatewayError('unsupported_media_type', message)
}

/**
 * Programs leave the media type out: Python's requests, given a string. A page can do so as well (with a Blob), but to a POST
 * of a page every browser adds an Origin, and Sec-Fetch-* where the target is loopback.
 */
function isOfNoBrowser(headers: IncomingHttpHeaders): boolean {
  if (headers.origin !== undefined || headers.referer !== undefined) return false
  return !Object.keys(headers).some((name) => name.startsWith('sec-fetch-'))
}
