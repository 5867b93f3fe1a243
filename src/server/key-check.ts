// Whether a request may go on by its key, before a byte of its body is read. A wrong key is charged to the flood window of
// the connection's client, which bounds what wrong keys cost and log. A valid key goes on all the same: many clients may share
// that client (a proxy's user), no key can be guessed at any speed, and whoever has none could else lock out all others.
import type { IncomingMessage } from 'node:http'
import type { FloodWindows } from '../admission/flood-windows.ts'
import { clientOfSocket, setClient } from '../clients/client.ts'
import { isDirect } from '../clients/direct-connections.ts'
import type { KeysInForce } from '../clients/keys/keys-in-force.ts'
import type { KeyRefusal, ValidKey } from '../clients/keys/key-table.ts'
import { presentedKey } from '../clients/keys/presented-key.ts'
import type { Client } from '../domain.ts'
import { type ErrorCode, GatewayError } from '../errors.ts'
import type { Clock } from '../platform/clock.ts'
import { floodError } from './flood-error.ts'

export interface KeyCheckParts extends Pick<Clock, 'now' | 'wallNow'> {
  readonly keys: KeysInForce
  /** With which keys begin; other tokens are another server's. */
  readonly prefixes: readonly string[]
  /** Without a key, only clients of `keylessIds` may go on. */
  readonly isRequired: boolean
  /** Clients that need no key on connections of their own. */
  readonly keylessIds: ReadonlySet<string>
  /** Of clients without keys; undefined: wrong keys are not limited. */
  readonly floodWindows: FloodWindows | undefined
  /** The client without regard to keys. */
  readonly clientOf: (request: IncomingMessage) => Client
}

/** Clients that are remembered as blocked; when there are more, all are forgotten, and ask their windows again. */
const maxBlocked = 1_000

export class KeyCheck {
  readonly #parts: KeyCheckParts
  /** Client → when its window has room again, in milliseconds of the monotonic clock. */
  readonly #blockedUntilMs = new Map<string, number>()

  constructor(parts: KeyCheckParts) {
    this.#parts = parts
  }

  /**
   * Attributes the request to the owner of its key.
   * @returns why it may not go on, or undefined if it may. A promise comes back for wrong keys only. Never rejects.
   */
  check(request: IncomingMessage): GatewayError | undefined | Promise<GatewayError | undefined> {
    const { keys, prefixes, isRequired, keylessIds, clientOf, wallNow } = this.#parts
    // Every request of such a user counts, also one with a key: a proxy's connection carries requests of several clients.
    const isKeyless = keylessIds.has(clientOfSocket(request.socket).id) && isDirect(request)
    const text = presentedKey(request.rawHeaders, prefixes)
    if (text === undefined) return isRequired && !isKeyless ? keyRequired() : undefined
    const via = clientOf(request)
    const found = text === 'ambiguous' ? ambiguous : keys.check(text, wallNow())
    if (!('refused' in found)) {
      setClient(request, clientWith(found, via))
      return undefined
    }
    const { refused } = found
    if (refused === 'clock_not_set') return clockNotSet()
    const blockedMs = this.#blockedMs(via)
    if (blockedMs > 0) return this.#tooMany(via, blockedMs)
    return this.#charge(via, refused, text === 'ambiguous')
  }

  #blockedMs({ id }: Client): number {
    const untilMs = this.#blockedUntilMs.size === 0 ? undefined : this.#blockedUntilMs.get(id)
    if (untilMs === undefined) return 0
    const leftMs = untilMs - this.#parts.now()
    if (leftMs <= 0) this.#blockedUntilMs.delete(id)
    return Math.max(0, leftMs)
  }

  #charge(
    via: Client,
    refused: WrongKey,
    isAmbiguous: boolean,
  ): GatewayError | Promise<GatewayError | undefined> {
    const waitMs = this.#parts.floodWindows?.take(via.id) ?? 0
    const errorAfter = (ms: number) => {
      if (ms === 0) return keyError(refused, isAmbiguous ? twoKeys : messages[refused])
      if (ms !== Infinity) this.#block(via, ms)
      return this.#tooMany(via, ms)
    }
    return waitMs instanceof Promise ? waitMs.then(errorAfter) : errorAfter(waitMs)
  }

  #block({ id }: Client, ms: number): void {
    if (this.#blockedUntilMs.size >= maxBlocked) this.#blockedUntilMs.clear()
    this.#blockedUntilMs.set(id, this.#parts.now() + ms)
  }

  #tooMany({ id: client }: Client, waitMs: number): GatewayError {
    const { rpm } = this.#parts.floodWindows!
    return floodError({ client, rpm, waitMs, key: 'rate_limit_settings.per_client' })
  }
}

/** The trouble is the client's. */
type WrongKey = Exclude<KeyRefusal, 'clock_not_set'>

const ambiguous = { refused: 'invalid_api_key' } as const

function clientWith({ key, secret }: ValidKey, via: Client): Client {
  const client = {
    id: `key:${key.name}`,
    via: via.id,
    terms: key.terms,
    keyId: key.id,
    secretId: secret.id,
  }
  return key.role === 'master' ? { ...client, isMaster: true } : client
}

const messages: Readonly<Record<WrongKey, string>> = {
  invalid_api_key: 'The API key is not one of this gateway.',
  key_expired: 'The API key has expired.',
  key_disabled: 'The API key is disabled at present.',
}

const twoKeys = 'The request has two different API keys of this gateway, or a header with a key twice.'

function keyRequired(): GatewayError {
  return keyError(
    'key_required',
    'This gateway requires an API key, as "authorization: Bearer KEY" or "x-api-key: KEY".',
  )
}

/** The gateway's own trouble: the key may well be valid. */
function clockNotSet(): GatewayError {
  return new GatewayError(
    'clock_not_set',
    'The clock of the gateway shows a time before its release, so that the expiry of the API key cannot be checked.',
    { headers: { 'retry-after': '60' } },
  )
}

/** The key was revoked while its call was under way. */
export function keyRevoked(): GatewayError {
  return keyError('key_revoked', 'The API key has been revoked.')
}

/** RFC 9110 §11.6.1 requires the header with every 401. */
function keyError(code: ErrorCode, message: string): GatewayError {
  return new GatewayError(code, message, { headers: { 'www-authenticate': 'Bearer' } })
}
