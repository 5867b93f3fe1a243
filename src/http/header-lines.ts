import type { IncomingMessage } from 'node:http'

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
