// The CORS headers of all routes. Refusing pages of other origins is the guards' part: these headers do not replace it.
import type { FastifyCorsOptions } from '@fastify/cors'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { rateHeaderNames as anthropicRateHeaderNames } from '../dialects/anthropic/rate-headers.ts'
import { rateHeaderNames } from '../dialects/openai/rate-headers.ts'
import { responseHeaderNames } from '../http/headers.ts'

/** What a front proxy says of a request. From a page it would make the request look like another client's. */
const proxyHeader = /^(?:forwarded|x-forwarded-.*|x-real-ip)$/
/** `*` is a name, too, but in the response it would allow all of them. */
const headerName = /^(?!\*$)[\w!#$%&'*+.^`|~-]+$/

/** Headers that pages may read. */
const pageMayRead = [
  ...responseHeaderNames,
  'server-timing',
  'x-llm-gateway-boundary',
  'x-llm-gateway-error',
  'x-llm-gateway-provider',
  'x-llm-gateway-provider-request-id',
  'x-llm-gateway-way',
  ...rateHeaderNames,
  ...anthropicRateHeaderNames,
  'request-id',
  'x-request-id',
]

/** Headers that the plugin puts on responses other than those to preflights. */
export function corsHeaderNames(origin: string | undefined): readonly string[] {
  return origin === undefined ? forPrograms : forPages
}

const forPrograms = ['vary']
const forPages = ['vary', 'access-control-allow-origin', 'access-control-expose-headers']

/** @param isOriginAllowed says whether a web origin may call. */
export function corsOptions(isOriginAllowed: (origin: string) => boolean): FastifyCorsOptions {
  return {
    origin: (origin, done) => done(null, origin !== undefined && isOriginAllowed(origin)),
    methods: 'GET, HEAD, POST',
    // Without `allowedHeaders` the plugin repeats what a preflight asks for: each SDK and app sends names of its own.
    exposedHeaders: pageMayRead.join(', '),
    maxAge: 600,
    strictPreflight: false,
  }
}

/**
 * Completes the response to a preflight of an allowed origin: the headers that the page may send, and a request from a less
 * private network (https://wicg.github.io/private-network-access/), which some browsers ask for.
 */
export function finishPreflight({ headers }: FastifyRequest, reply: FastifyReply): void {
  const asked = reply.getHeader(allowHeaders)
  if (asked !== undefined) reply.header(allowHeaders, pageMaySend(String(asked)))
  if (headers['access-control-request-private-network'] !== 'true') return
  if (reply.hasHeader('access-control-allow-origin'))
    reply.header('access-control-allow-private-network', 'true')
}

const allowHeaders = 'access-control-allow-headers'

function pageMaySend(asked: string): string {
  const names = asked.split(',').map((name) => name.trim().toLowerCase())
  return names.filter((name) => headerName.test(name) && !proxyHeader.test(name)).join(', ')
}
