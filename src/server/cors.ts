// The CORS headers of all routes. Refusing pages of other origins is the guards' part: these headers do not replace it.
import type { FastifyCorsOptions } from '@fastify/cors'
import { rateHeaderNames } from '../dialects/openai/rate-headers.ts'

/** Headers that pages may send. */
const pageMaySend = [
  'authorization',
  'content-type',
  // OpenAI's SDK sends these with every call, from pages too. None of them is forwarded.
  'openai-organization',
  'openai-project',
  'user-agent',
  'x-request-id',
  'x-stainless-arch',
  'x-stainless-helper-method',
  'x-stainless-lang',
  'x-stainless-os',
  'x-stainless-package-version',
  'x-stainless-retry-count',
  'x-stainless-runtime',
  'x-stainless-runtime-version',
  'x-stainless-timeout',
]

/** Headers that pages may read. */
const pageMayRead = [
  'retry-after',
  'retry-after-ms',
  'server-timing',
  'x-llm-gateway-error',
  'x-llm-gateway-provider',
  'x-llm-gateway-provider-request-id',
  ...rateHeaderNames,
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
    allowedHeaders: pageMaySend.join(', '),
    exposedHeaders: pageMayRead.join(', '),
    maxAge: 600,
    strictPreflight: false,
  }
}
