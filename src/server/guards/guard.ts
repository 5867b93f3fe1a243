// A guard refuses a request before it is routed: on every path, known or not, with no effect but the answer.
import type { IncomingMessage } from 'node:http'
import type { GatewayError } from '../../errors.ts'

/** Total: whatever the request holds, it gives a refusal or undefined, and never throws. */
export type Guard = (request: IncomingMessage) => GatewayError | undefined

/** The refusal of the first guard that refuses. */
export function firstRefusal(guards: readonly Guard[], request: IncomingMessage): GatewayError | undefined {
  for (const guard of guards) {
    const refusal = guard(request)
    if (refusal !== undefined) return refusal
  }
  return undefined
}
