// Whether a request may go on by the identity that a front proxy reports, before a byte of its body is read.
//
// Signed tokens are believed from any connection. A plain header does not prove anything by itself: it counts on connections of the Unix
// user that the source names and on the Unix socket, and is nothing elsewhere.
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { HeaderSource, IdentityConfig, IdentitySource } from '../../config/types.ts'
import type { Client } from '../../domain.ts'
import { GatewayError } from '../../errors.ts'
import { headerLines } from '../../http/headers.ts'
import { clientOfSocket, isOfPrivateSocket, setClient } from '../client.ts'
import { markForwarded } from '../direct-connections.ts'
import { allowList, type IsAllowed, nameClient } from './client-name.ts'
import { decodeWords } from './encoded-words.ts'
import {
  ambiguousIdentity,
  identityNotAllowed,
  identityRequired,
  identityUnavailable,
  invalidIdentity,
} from './refusals.ts'
import { isTokenForm, TokenCheck, type TokenCheckParts, type TokenVerdict } from './token-check.ts'

export interface IdentityCheckParts extends TokenCheckParts {
  /** The client without regard to identities and keys. */
  readonly clientOf: (request: IncomingMessage) => Client
  /** The client's id of a Unix user: `user:caddy`. */
  readonly idOfUser: (name: string) => string
  /** Whether an interface of this machine has an address of a tailnet. */
  readonly hasTailnetAddress: () => boolean
}

interface Source {
  readonly config: IdentitySource
  readonly tokens: TokenCheck | undefined
  /** Of connections that are believed; undefined: all, or none but the Unix socket. */
  readonly fromId: string | undefined
  readonly isAllowed: IsAllowed
}

/** Undefined: the request has no such identity. */
type Reported = TokenVerdict | Promise<TokenVerdict> | undefined

export class IdentityCheck {
  readonly #parts: IdentityCheckParts
  readonly #isRequired: boolean
  readonly #sources: readonly Source[]

  constructor({ isRequired, sources }: IdentityConfig, parts: IdentityCheckParts) {
    this.#parts = parts
    this.#isRequired = isRequired
    this.#sources = sources.map((config) => ({
      config,
      tokens: config.kind === 'token' ? new TokenCheck(config, parts) : undefined,
      fromId:
        config.kind === 'header' && config.fromUser !== undefined
          ? parts.idOfUser(config.fromUser)
          : undefined,
      isAllowed: allowList(config.allow),
    }))
  }

  /**
   * Attributes the request to the client that its identity names. The first source decides whose header it has: a wrong
   * identity is refused, even if none is required.
   * @returns why it may not go on, or undefined if it may. Never rejects.
   */
  check(request: IncomingMessage): GatewayError | undefined | Promise<GatewayError | undefined> {
    for (const source of this.#sources) {
      const reported = this.#read(request, source)
      if (reported === undefined) continue
      if (reported instanceof Promise)
        return reported.then((verdict) => this.#admit(request, source, verdict))
      return this.#admit(request, source, reported)
    }
    return this.#isRequired ? identityRequired() : undefined
  }

  #admit(request: IncomingMessage, { isAllowed }: Source, verdict: TokenVerdict): GatewayError | undefined {
    if (verdict instanceof GatewayError) return verdict
    const { id } = verdict
    if (!isAllowed(id)) return identityNotAllowed(id)
    // Whatever headers it sends besides: this is a proxy.
    markForwarded(request.socket)
    setClient(request, { id, via: this.#parts.clientOf(request).id })
    return undefined
  }

  #read(request: IncomingMessage, { config, tokens, fromId }: Source): Reported {
    const { header } = config
    const { socket, headers } = request
    if (config.kind === 'header' && !isBelieved(socket, fromId)) return undefined
    if (hasTwin(headers, header)) return ambiguousIdentity(header)
    if (headers[header] === undefined) return undefined
    const lines = headerLines(request, header)
    if (lines.length !== 1) return ambiguousIdentity(header)
    const [value] = lines as [string]
    if (config.kind === 'header') return this.#readName(socket, config, value)
    if (header !== 'authorization') return tokens!.check(value)
    // Keys come in the same header.
    const bearer = /^bearer +(\S+)$/i.exec(value)?.[1]
    return bearer !== undefined && isTokenForm(bearer) ? tokens!.check(bearer) : undefined
  }

  #readName(socket: Socket, { prefix }: HeaderSource, value: string): TokenVerdict {
    // With a network stack of its own, tailscaled forwards connections of the whole tailnet to loopback ports, as its own
    // user and with any header.
    if (prefix === 'ts' && !isOfPrivateSocket(socket) && !this.#parts.hasTailnetAddress()) {
      return identityUnavailable('no interface of this machine has an address of a tailnet')
    }
    const reported = prefix === 'ts' ? decodeWords(value) : value
    const name = faultOfValue(reported) ?? nameClient(prefix, reported.trim())
    return 'fault' in name ? invalidIdentity(name.fault) : name
  }
}

/** Why a value that a proxy sends is not a name. Undefined: it may be one. */
function faultOfValue(value: string): { readonly fault: string } | undefined {
  // One of the lines may be the client's own.
  if (value.includes(',')) return { fault: 'has a comma, as of several lines that were joined' }
  // Caddy 2.6 sends `{http.reverse_proxy.header.Remote-User}` where the authentication service names nobody.
  return /[{}]/.test(value) ? { fault: 'is a placeholder that the proxy has not replaced' } : undefined
}

function isBelieved(socket: Socket, fromId: string | undefined): boolean {
  return isOfPrivateSocket(socket) || (fromId !== undefined && clientOfSocket(socket).id === fromId)
}

/** Whether a header's name differs from this one only in underscores, which CGI and its heirs take for hyphens. */
function hasTwin(headers: IncomingMessage['headers'], header: string): boolean {
  const plain = header.replaceAll('_', '-')
  for (const name in headers) {
    if (name.length === header.length && name !== header && name.replaceAll('_', '-') === plain) return true
  }
  return false
}
