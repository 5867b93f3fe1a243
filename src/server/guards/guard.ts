// A guard refuses a request before it is routed: on every path, known or not, with no effect but the answer.
import type { IncomingMessage } from 'node:http'
import type { GatewayError } from '../../errors.ts'

/** Total: whatever the request holds, it gives a refusal or undefined, and never throws. */
export type Guard = (request: IncomingMessage) => GatewayError | undefined

/** The values of a header as they came, one per line. Node joins or drops repeated lines elsewhere. */
export function headerLines(request: IncomingMessage, name: string): string[] {
  const { rawHeaders } = request
  const values: string[] = []
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const rawName = rawHeaders[index]!
    if (rawName.length === name.length && rawName.toLowerCase() === name) values.push(rawHeaders[index + 1]!)
  }
  return values
}
