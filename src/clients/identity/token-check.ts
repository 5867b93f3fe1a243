// The signed tokens of one source (RFC 7519, by the advice of RFC 8725): issuer, audience, algorithms and expiry are
// required, and nothing of a token's own header chooses how it is checked, except which of the issuer's keys it names.
import { createHash } from 'node:crypto'
import type * as joseModule from 'jose'
import type { JWTPayload, JWTVerifyGetKey } from 'jose'
import type { TokenSource } from '../../config/types.ts'
import type { GatewayError } from '../../errors.ts'
import type { Clock } from '../../platform/clock.ts'
import { type ReadName, nameClient } from './client-name.ts'
import { hasKey, type KeySet, type KeySets } from './key-set.ts'
import { identityUnavailable, invalidIdentity } from './refusals.ts'

type Jose = typeof joseModule

/** The id of the client that a token names, or why it names none. */
export type TokenVerdict = { readonly id: string } | GatewayError

export interface TokenCheckParts extends Pick<Clock, 'now' | 'wallNow'> {
  readonly keySets: KeySets
}

const maxTokenBytes = 8_192
/** How far the clocks of issuer and gateway may differ, in seconds. */
const toleranceSeconds = 30
/** A token that was accepted is not verified again so long. */
const rememberedMs = 60_000
const maxRemembered = 10_000
/** A token without `kid` is tried with so many keys of its algorithm. */
const maxTried = 8

const tokenForm = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/

/** Whether a text has the form of a signed token. */
export function isTokenForm(text: string): boolean {
  return text.length <= maxTokenBytes && tokenForm.test(text)
}

interface Remembered {
  readonly id: string
  /** By the monotonic clock. */
  readonly untilMs: number
}

export class TokenCheck {
  readonly #source: TokenSource
  readonly #parts: TokenCheckParts
  /** By the digest of the token; the oldest first. */
  readonly #remembered = new Map<string, Remembered>()
  /** Loaded for the first token: most gateways have no use for it. */
  #jose: Promise<Jose> | undefined
  #selector: { readonly set: KeySet; readonly select: JWTVerifyGetKey } | undefined

  constructor(source: TokenSource, parts: TokenCheckParts) {
    this.#source = source
    this.#parts = parts
  }

  /** Never rejects. A promise comes back for tokens that are not known yet. */
  check(token: string): TokenVerdict | Promise<TokenVerdict> {
    if (!isTokenForm(token)) return invalidIdentity(`is not a signed token of at most ${maxTokenBytes} bytes`)
    const digest = createHash('sha256').update(token).digest('base64')
    const known = this.#remembered.get(digest)
    if (known !== undefined) {
      if (this.#parts.now() < known.untilMs) return known
      this.#remembered.delete(digest)
    }
    return this.#verify(token, digest)
  }

  async #verify(token: string, digest: string): Promise<TokenVerdict> {
    this.#jose ??= import('jose')
    const jose = await this.#jose
    const kid = this.#readKid(token, jose)
    if (typeof kid === 'object') return kid
    const { keySets, wallNow } = this.#parts
    const { keysUrl, issuer } = this.#source
    const { set, isReachable } = await keySets.find(keysUrl, kid)
    if (set === undefined) return identityUnavailable(`the keys of ${issuer} are not known`)
    if (kid !== undefined && !hasKey(set, kid)) {
      // It may be a key that the issuer has published since.
      if (!isReachable)
        return identityUnavailable(`${issuer} cannot be asked for the key that the token names`)
      return invalidIdentity('is signed with a key that its issuer does not publish')
    }
    let payload: JWTPayload
    try {
      payload = await this.#verifyWith(set, token, jose)
    } catch (error) {
      return refusalOf(error, jose)
    }
    const seconds = wallNow() / 1000
    if (payload.iat !== undefined && payload.iat > seconds + toleranceSeconds) {
      return invalidIdentity('was issued in the future: the clocks of its issuer and this machine differ')
    }
    const name = nameOf(payload, this.#source)
    if ('fault' in name) return invalidIdentity(name.fault)
    this.#remember(digest, name.id, (payload.exp! - seconds) * 1000)
    return name
  }

  /** The key that the token names, if it names one. */
  #readKid(token: string, { decodeProtectedHeader }: Jose): string | undefined | GatewayError {
    try {
      const { alg, kid } = decodeProtectedHeader(token)
      if (!this.#source.algorithms.some((algorithm) => algorithm === alg)) {
        return invalidIdentity('is signed with an algorithm that is not accepted')
      }
      if (kid === undefined || typeof kid === 'string') return kid
    } catch {
      // Not JSON, or not base64url.
    }
    return invalidIdentity('has a header that cannot be read')
  }

  async #verifyWith(set: KeySet, token: string, jose: Jose): Promise<JWTPayload> {
    const { issuer, audience, algorithms } = this.#source
    const options = {
      issuer,
      audience,
      algorithms: [...algorithms],
      requiredClaims: ['exp'],
      clockTolerance: toleranceSeconds,
      currentDate: new Date(this.#parts.wallNow()),
    }
    if (this.#selector?.set !== set) {
      this.#selector = { set, select: jose.createLocalJWKSet({ keys: [...set.keys] }) }
    }
    try {
      return (await jose.jwtVerify(token, this.#selector.select, options)).payload
    } catch (error) {
      if (!(error instanceof jose.errors.JWKSMultipleMatchingKeys)) throw error
      let tried = 0
      for await (const key of error) {
        if (++tried > maxTried) break
        try {
          return (await jose.jwtVerify(token, key, options)).payload
        } catch (failure) {
          if (!(failure instanceof jose.errors.JWSSignatureVerificationFailed)) throw failure
        }
      }
      throw new jose.errors.JWSSignatureVerificationFailed()
    }
  }

  #remember(digest: string, id: string, leftMs: number): void {
    if (leftMs <= 0) return
    const untilMs = this.#parts.now() + Math.min(leftMs, rememberedMs)
    if (this.#remembered.size >= maxRemembered) {
      const [oldest] = this.#remembered.keys()
      this.#remembered.delete(oldest!)
    }
    this.#remembered.set(digest, { id, untilMs })
  }
}

/** Texts of the library are for its callers, and name what the token holds. */
function refusalOf(error: unknown, { errors }: Jose): GatewayError {
  if (error instanceof errors.JWTExpired) return invalidIdentity('has expired')
  if (error instanceof errors.JWTClaimValidationFailed) {
    return invalidIdentity(`has no acceptable ${JSON.stringify(error.claim)}`)
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) return invalidIdentity('has a wrong signature')
  if (error instanceof errors.JWKSNoMatchingKey) {
    return invalidIdentity('is signed with a key that its issuer does not publish')
  }
  if (error instanceof errors.JOSEError && !(error instanceof errors.JWKSInvalid)) {
    return invalidIdentity('cannot be read')
  }
  // A key of the set that cannot be used, say.
  return identityUnavailable('the token cannot be verified')
}

function nameOf(payload: JWTPayload, { claim, isCloudflare }: TokenSource): ReadName {
  // A token of `type: org` is the login to the whole account, for any of its applications.
  if (isCloudflare && payload['type'] !== 'app') return { fault: 'is not a token for an application' }
  const { [claim]: value } = payload
  const { common_name: service } = payload
  const hasName = typeof value === 'string' && value !== ''
  if (isCloudflare && !hasName && typeof service === 'string')
    return faultOfClaim('service', service, 'common_name')
  if (!hasName) return { fault: `has no ${JSON.stringify(claim)}` }
  if (claim !== 'email') return faultOfClaim('jwt', value, claim)
  if (!isVerified(payload['email_verified'])) return { fault: 'has an "email" that is not verified' }
  return faultOfClaim('mail', value, claim)
}

/** OpenID Connect Core §5.1 has a boolean, of which some issuers make a text. Many issue tokens without the claim. */
function isVerified(claim: unknown): boolean {
  return claim === undefined || claim === true || claim === 'true'
}

function faultOfClaim(prefix: string, value: string, claim: string): ReadName {
  const name = nameClient(prefix, value)
  return 'fault' in name ? { fault: `has an ${JSON.stringify(claim)} that ${name.fault}` } : name
}
