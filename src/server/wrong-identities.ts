// Requests with a wrong identity are charged to the flood window of the client that sent them, as requests with a wrong key
// are: neither reaches the flood limit. A right identity passes all the same, because signatures cannot be guessed, and
// all clients of a front proxy come through one peer.
import type { IncomingMessage } from 'node:http'
import type { FloodWindows } from '../admission/flood-windows.ts'
import type { IdentityCheck } from '../clients/identity/identity-check.ts'
import type { Client } from '../domain.ts'
import type { GatewayError } from '../errors.ts'
import { floodError } from './flood-error.ts'

interface ChargeParts {
  readonly floodWindows: FloodWindows
  /** The client without regard to identities and keys. */
  readonly clientOf: (request: IncomingMessage) => Client
}

type Verdict = GatewayError | undefined

/** A check of the same requests whose refusal of a wrong identity is a 429 once the sender's window is full. */
export function withCharges(
  check: Pick<IdentityCheck, 'check'>,
  { floodWindows, clientOf }: ChargeParts,
): Pick<IdentityCheck, 'check'> {
  const charged = (request: IncomingMessage, verdict: Verdict): Verdict | Promise<Verdict> => {
    if (verdict === undefined || !isWrong(verdict)) return verdict
    const { id: client } = clientOf(request)
    const errorAfter = (waitMs: number) => {
      const excess = { client, rpm: floodWindows.rpm, waitMs, key: 'rate_limit_settings.per_client' }
      return waitMs === 0 ? verdict : floodError(excess)
    }
    const waitMs = floodWindows.take(client)
    return waitMs instanceof Promise ? waitMs.then(errorAfter) : errorAfter(waitMs)
  }
  return {
    check(request) {
      const verdict = check.check(request)
      if (verdict === undefined) return undefined
      return verdict instanceof Promise
        ? verdict.then((late) => charged(request, late))
        : charged(request, verdict)
    },
  }
}

/** Others have an identity that is right or cannot be checked, or none. */
function isWrong({ code }: GatewayError): boolean {
  return code === 'invalid_identity' || code === 'invalid_request'
}
