// A guard refuses a request before it is routed: on every path, known or not, and with no other effect.
import type { IncomingMessage } from 'node:http'
import type { GatewayError } from '../../errors.ts'

/** Total: for any request it returns a refusal or undefined, and never throws. */
export type Guard = (request: IncomingMessage) => GatewayError | undefined

/** The refusal of the first guard that refuses. */
export function firstRefusal(guards: readonly Guard[], request: IncomingMessage): GatewayError | undefined {
  for (const guard of guards) {
    const refusal = guard(request)
    if (refusal !== undefined) return refusal
  }
  return undefined
}
