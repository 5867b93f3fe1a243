// An issuer of tokens on loopback: signs by hand, so that a test can also sign what no library would, and serves its keys.
import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'

import type { Cleanup } from './scripted-upstream.ts'

export interface SigningKey {
  readonly kid: string | undefined
  readonly alg: 'RS256' | 'ES256' | 'EdDSA'
  readonly privateKey: KeyObject
  readonly jwk: Readonly<Record<string, unknown>>
}

/** A new key pair. */
export function signingKey(kid: string | undefined, alg: SigningKey['alg'] = 'ES256'): SigningKey {
  const { privateKey } = pairOf(alg)
  const jwk = createPublicKey(privateKey).export({ format: 'jwk' })
  return { kid, alg, privateKey, jwk: { ...jwk, ...(kid !== undefined && { kid }), use: 'sig' } }
}

function pairOf(alg: SigningKey['alg']): { privateKey: KeyObject } {
  if (alg === 'RS256') return generateKeyPairSync('rsa', { modulusLength: 2048 })
  return alg === 'ES256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519')
}

type Members = Readonly<Record<string, unknown>>

const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

/**
 * @param claims JSON; an object, unless the token is to be wrong.
 * @param header replaces members of the usual header; undefined leaves one out.
 * @param encoding of a signature of an elliptic curve; `der` is wrong in tokens.
 */
export function signToken(
  key: SigningKey,
  claims: unknown,
  header: Members = {},
  encoding: 'ieee-p1363' | 'der' = 'ieee-p1363',
): string {
  const text = `${encoded({ alg: key.alg, kid: key.kid, typ: 'JWT', ...header })}.${encoded(claims)}`
  const algorithm = key.alg === 'EdDSA' ? null : 'sha256'
  const signature = sign(algorithm, Buffer.from(text), { key: key.privateKey, dsaEncoding: encoding })
  return `${text}.${signature.toString('base64url')}`
}

/** A token whose signature is a digest with a text as its key. */
export function macToken(secret: string | Buffer, claims: Members, header: Members): string {
  const text = `${encoded({ alg: 'HS256', ...header })}.${encoded(claims)}`
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
}

export interface TestIssuer {
  readonly url: string
  /** Requests for the keys so far. */
  readonly fetches: number
  /** Serves these from now on. */
  readonly publish: (...keys: readonly SigningKey[]) => void
  /** Answers so from now on. */
  readonly respond: (listener: RequestListener) => void
}

export function startIssuer(t: Cleanup, ...keys: readonly SigningKey[]): Promise<TestIssuer> {
  return serveKeys(t, createServer(), { scheme: 'http', host: '127.0.0.1', port: 0 }, keys)
}

/** Over TLS, on the port that URLs without a port mean, which needs root. */
export function startTlsIssuer(
  t: Cleanup,
  { host, ...certificate }: { readonly host: string; readonly cert: string; readonly key: string },
  ...keys: readonly SigningKey[]
): Promise<TestIssuer> {
  return serveKeys(t, createTlsServer(certificate), { scheme: 'https', host, port: 443 }, keys)
}

async function serveKeys(
  t: Cleanup,
  server: Server | TlsServer,
  { scheme, host, port }: { readonly scheme: string; readonly host: string; readonly port: number },
  keys: readonly SigningKey[],
): Promise<TestIssuer> {
  let fetches = 0
  let listener: RequestListener
  const publish = (...published: readonly SigningKey[]) => {
    listener = (_, response) => void response.end(JSON.stringify({ keys: published.map(({ jwk }) => jwk) }))
  }
  publish(...keys)
  server.on('request', (request, response) => {
    fetches += 1
    listener(request, response)
  })
  server.listen(port, host)
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    url: `${scheme}://${host}:${(server.address() as AddressInfo).port}/jwks`,
    get fetches() {
      return fetches
    },
    publish,
    respond: (next) => void (listener = next),
  }
}
