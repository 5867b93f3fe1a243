// What browsers are told about pages of allowed origins. Refusing others is the guards' part: these headers are an
// addition to that and no substitute.
import { rateHeaderNames } from '../dialects/openai/rate-headers.ts'

/** Headers that pages may send. */
export const pageMaySend = [
  'authorization',
  'content-type',
  // OpenAI's SDK sends these with every call, also from a page; none of them goes further than here.
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
export const pageMayRead = [
  'retry-after',
  'retry-after-ms',
  'server-timing',
  'x-llm-gateway-error',
  'x-llm-gateway-provider',
  ...rateHeaderNames,
  'x-request-id',
]

const exposed = pageMayRead.join(', ')

/** Names and values in turn. `origin` is that of an allowed page, undefined for a client that is none. */
export function corsHeaders(origin: string | undefined): readonly string[] {
  // Caches are to keep the answers to different pages apart (https://fetch.spec.whatwg.org/#cors-protocol-and-http-caches).
  if (origin === undefined) return ['vary', 'Origin']
  return ['vary', 'Origin', 'access-control-allow-origin', origin, 'access-control-expose-headers', exposed]
}
