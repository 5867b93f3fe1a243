// Which headers pass, by allow-list in both directions. What is not named here stays where it is: cookies, CORS,
// server names, hop-by-hop fields, keys.
import type { IncomingMessage } from 'node:http'
import type { ResponseHead } from '../domain.ts'
import { essenceOf } from './media-type.ts'

/** From a provider's answer to the client. Lengths and framing are made anew by the relay. */
const responseHeaderNames = [
  'content-disposition',
  'content-encoding',
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
 * Names and values in turn. A header that came twice is not one of ours to join: the first counts.
 * @param mask takes the provider's key out of a value.
 */
export function responseHeaders(
  from: Readonly<Record<string, string | string[] | undefined>>,
  mask: (value: string) => string,
): string[] {
  const headers: string[] = []
  for (const name of responseHeaderNames) {
    const value = from[name]
    if (value !== undefined) headers.push(name, mask(typeof value === 'string' ? value : (value[0] ?? '')))
  }
  return headers
}

/** The response's media type without parameters; empty when the provider names none. */
export function mediaTypeOf({ headers }: ResponseHead): string {
  return essenceOf(headers['content-type'])
}

/** What a client may give as its own `x-request-id`: it goes into logs and upstream. */
const requestIdForm = /^[A-Za-z0-9._:-]{1,128}$/

export function isRequestId(value: unknown): value is string {
  return typeof value === 'string' && requestIdForm.test(value)
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
