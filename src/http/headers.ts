// The headers that are forwarded, by allow-list in both directions. Others are not forwarded: cookies, CORS, server names,
// hop-by-hop fields, keys.
import type { IncomingMessage } from 'node:http'
import type { ResponseHead } from '../domain.ts'
import { essenceOf } from './media-type.ts'

/** From a provider's response to the client. The relay sets lengths and framing itself. */
export const responseHeaderNames = [
  'content-disposition',
  'content-language',
  'content-type',
  'openai-model',
  'openai-processing-ms',
  'openai-version',
  'retry-after',
  'retry-after-ms',
  'x-should-retry',
] as const

/**
 * Names and values in turn. Of a repeated header, only the first value is forwarded.
 * @param mask removes the provider's key from a value.
 */
export function responseHeaders(
  from: Readonly<Record<string, string | string[] | undefined>>,
  mask: (value: string) => string,
  names: readonly string[] = responseHeaderNames,
): string[] {
  const headers: string[] = []
  for (const name of names) {
    const value = from[name]
    if (value !== undefined) headers.push(name, mask(typeof value === 'string' ? value : (value[0] ?? '')))
  }
  return headers
}

/** More of a response that passes as it is: of its parts, and for a later request. */
const passedResponseHeaderNames = [
  ...responseHeaderNames,
  'accept-ranges',
  'content-range',
  'etag',
  'last-modified',
]

/** What a browser would show as a document, in which scripts could run. */
const documentType = /^(?:text\/html|[^/]+\/(?:xml|[^/]*\+xml))$/

/** As `responseHeaders`, for content of any kind: nothing of it may act as a page of the gateway's origin. */
export function passedResponseHeaders(
  from: Readonly<Record<string, string | string[] | undefined>>,
  mask: (value: string) => string,
): string[] {
  const headers = responseHeaders(from, mask, passedResponseHeaderNames)
  if (documentType.test(essenceOf(from['content-type']))) {
    const at = headers.indexOf('content-disposition')
    if (at < 0) headers.push('content-disposition', 'attachment')
    else if (!/^attachment(?:;|$)/i.test(headers[at + 1]!)) headers[at + 1] = 'attachment'
  }
  return headers
}

/** The response's media type without parameters; empty when the provider names none. */
export function mediaTypeOf({ headers }: ResponseHead): string {
  return essenceOf(headers['content-type'])
}

/** The form of a client's own `x-request-id`, which is logged and sent upstream. */
const requestIdForm = /^[A-Za-z0-9._:-]{1,128}$/

export function isRequestId(value: unknown): value is string {
  return typeof value === 'string' && requestIdForm.test(value)
}

/** In which a provider names its own id of a request: OpenAI and most others, Anthropic, Azure, Amazon. */
const providerRequestIdNames = ['x-request-id', 'request-id', 'apim-request-id', 'x-amzn-requestid'] as const

/**
 * A provider's own id of a request, by which its operator finds it. Undefined if it sends none that is fit for a log.
 * @param provider removes its key from a text; an id that this changes is none.
 */
export function providerRequestId(
  { headers }: ResponseHead,
  provider: { mask(value: string): string },
): string | undefined {
  for (const name of providerRequestIdNames) {
    const id = headers[name]
    if (id !== undefined) return isRequestId(id) && provider.mask(id) === id ? id : undefined
  }
  return undefined
}

/** The values of a header as they came, one per line; `headers` joins repeated lines or drops them. */
export function headerLines(request: IncomingMessage, name: string): string[] {
  const { rawHeaders } = request
  const values: string[] = []
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const rawName = rawHeaders[index]!
    if (rawName.length === name.length && rawName.toLowerCase() === name) values.push(rawHeaders[index + 1]!)
  }
  return values
}
