// Rules about the store of limits that the schema cannot express. Its URL and its key are secrets: messages repeat neither.
import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'

import type { Accounts } from '../platform/ownership.ts'
import type { HasProblem, Path, PathProblem } from './problems.ts'
import type { RawConfig, RawSecret, RawStore } from './raw.ts'
import type { Secret } from './secret.ts'
import { readStoreUrl } from './store-url.ts'
import { readTrustedFile } from './trusted-file.ts'

const at: Path = ['rate_limit_settings', 'store']

export function* storeProblems(raw: RawConfig, hasProblem: HasProblem): Generator<PathProblem> {
  const store = raw.rate_limit_settings?.store
  if (store === undefined) return
  if (store.kind === 'memory') {
    const [other] = Object.keys(store).filter((key) => key !== 'kind')
    if (other === undefined) return
    const message = `belongs to kind: valkey, and the kind is memory`
    yield { path: [...at, other], message, hint: 'write kind: valkey, or remove it', at: 'key' }
    return
  }
  // The schema has reported a kind that is missing.
  if (store.kind !== 'valkey') return
  if (store.url === undefined) {
    if (!hasProblem([...at, 'url'])) yield withoutUrl
  } else if (store.url.optional === true) {
    const message = 'must not be optional: without it, each gateway would grant the whole limits by itself'
    yield { path: [...at, 'url', 'optional'], message, hint: 'remove it, or write kind: memory' }
  }
  if (store.members === undefined && !hasProblem([...at, 'members'])) {
    const message = 'has no members: while the server is away, each gateway grants its part of a limit'
    yield { path: at, message, hint: 'add members: 3, the number of gateways that share it at most' }
  }
  for (const [index, text] of (store.keys_signed_by ?? []).entries()) {
    if (signingKey(text) !== undefined) continue
    const message = 'is not an Ed25519 public key'
    const hint = 'write its SPKI form, as PEM or as base64: openssl pkey -in KEY.pem -pubout'
    yield { path: [...at, 'keys_signed_by', index], message, hint }
  }
}

const withoutUrl: PathProblem = {
  path: at,
  message: 'has no url: it is not known which server is shared',
  hint: 'add url: { credential: valkey_url }',
}

/** What is wrong with secrets of the store, once they are known. */
export function* storeSecretProblems(
  raw: RawConfig,
  secrets: ReadonlyMap<RawSecret, Secret>,
): Generator<PathProblem> {
  const { url, sign_keys_with: signWith } = raw.rate_limit_settings?.store ?? {}
  const secret = url && secrets.get(url)
  const found = secret && readStoreUrl(secret.reveal(), secret.source)
  if (found?.kind === 'refused') {
    yield {
      path: [...at, 'url'],
      message: `the URL from ${secret!.source} ${found.message}`,
      hint: found.hint,
    }
  }
  const key = signWith && secrets.get(signWith)
  if (key !== undefined && !isPrivateKey(key.reveal())) {
    const message = `the secret from ${key.source} is not an Ed25519 private key`
    const hint =
      'store its PKCS #8 form in base64 on one line: openssl genpkey -algorithm ed25519 -outform DER | base64 -w0'
    yield { path: [...at, 'sign_keys_with'], message, hint }
  }
}

/** Every reference to a secret of the store, with its path. */
export function* storeReferences(raw: RawConfig): Generator<[Path, RawSecret]> {
  const { url, sign_keys_with: signWith } = raw.rate_limit_settings?.store ?? {}
  if (url !== undefined) yield [[...at, 'url'], url]
  if (signWith !== undefined) yield [[...at, 'sign_keys_with'], signWith]
}

export type FoundCa =
  | { readonly kind: 'none' }
  | { readonly kind: 'found'; readonly pem: string }
  | { readonly kind: 'refused'; readonly path: Path; readonly message: string; readonly hint: string }

/** The certificates of `ca_file`, read and checked. */
export function findStoreCa({ rate_limit_settings: settings }: RawConfig, accounts: Accounts): FoundCa {
  const file = settings?.store?.ca_file
  if (file === undefined) return { kind: 'none' }
  const path = [...at, 'ca_file']
  const found = readTrustedFile(file, { maxBytes: 1_048_576, isSecret: false }, accounts)
  if (found.kind === 'absent')
    return {
      kind: 'refused',
      path,
      message: `there is no file ${file}`,
      hint: 'write the path of a PEM file',
    }
  if (found.kind === 'refused')
    return { kind: 'refused', path, message: `${file} ${found.message}`, hint: found.hint }
  const pems = found.text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  if (pems.length > 0 && pems.every(isCertificate)) return { kind: 'found', pem: pems.join('\n') }
  const message = `${file} holds no certificates`
  return { kind: 'refused', path, message, hint: 'it must be PEM: -----BEGIN CERTIFICATE-----' }
}

/** In the form that is compared: SPKI, DER in base64. Undefined: it is no Ed25519 public key. */
export function signingKey(text: NonNullable<RawStore['keys_signed_by']>[number]): string | undefined {
  const der = bytesOf(text, 'PUBLIC KEY')
  const key = der && attempt(() => createPublicKey({ key: der, format: 'der', type: 'spki' }))
  if (key?.asymmetricKeyType !== 'ed25519') return undefined
  return key.export({ format: 'der', type: 'spki' }).toString('base64')
}

function isPrivateKey(text: string): boolean {
  const der = bytesOf(text, 'PRIVATE KEY')
  const key = der && attempt(() => createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }))
  return key?.asymmetricKeyType === 'ed25519'
}

/** Of PEM with this label, or of its base64 alone. A private key where a public one belongs is none. */
function bytesOf(text: string, label: string): Buffer | undefined {
  const inside = text
    .trim()
    .replace(`-----BEGIN ${label}-----`, '')
    .replace(`-----END ${label}-----`, '')
    .replaceAll(/\s+/g, '')
  return /^[A-Za-z0-9+/]+={0,2}$/.test(inside) ? Buffer.from(inside, 'base64') : undefined
}

function isCertificate(pem: string): boolean {
  return attempt(() => new X509Certificate(pem)) !== undefined
}

function attempt<T extends KeyObject | X509Certificate>(make: () => T): T | undefined {
  try {
    return make()
  } catch {
    return undefined
  }
}
