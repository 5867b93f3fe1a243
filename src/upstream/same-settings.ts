import { isDeepStrictEqual } from 'node:util'
import type { Secret } from '../config/secret.ts'
import type { HttpProvider, ProviderConfig } from '../config/provider-types.ts'

/** Whether two configurations describe the same provider, whatever its calls cost and whenever its server is started and stopped. Keys are compared by value: the same file may hold a new key. */
export function hasSameSettings(one: ProviderConfig, other: ProviderConfig): boolean {
  if (!isDeepStrictEqual(settingsOf(one), settingsOf(other))) return false
  if (one.kind === 'echo' || other.kind === 'echo') return true
  return isDeepStrictEqual(keysOf(one), keysOf(other))
}

function settingsOf(provider: ProviderConfig): unknown {
  if (provider.kind === 'echo') return provider
  const { price: _, service, ...others } = provider
  return [others, service?.unit, service?.run]
}

/**
 * Whether both have the same address, the same key and headers, and the same unit, so that the health of one holds for the
 * other: the cool-down of a refused key, for example, ends with that key.
 */
export function isSameServer(one: ProviderConfig, other: ProviderConfig): boolean {
  if (one.kind === 'echo' || other.kind === 'echo') return one.kind === other.kind
  return isDeepStrictEqual(accessOf(one), accessOf(other))
}

/** Whether both have the same health check. */
export function hasSameCheck(one: ProviderConfig, other: ProviderConfig): boolean {
  return isDeepStrictEqual(checkOf(one), checkOf(other))
}

function checkOf(provider: ProviderConfig): HttpProvider['healthCheck'] {
  return provider.kind === 'echo' ? undefined : provider.healthCheck
}

function accessOf(provider: HttpProvider): unknown[] {
  const { origin, basePath, rootPath, query, proxy, auth, apiKey, headers, service } = provider
  const sent = headers.map(([name, value]) => [name, typeof value === 'string' ? value : value.reveal()])
  return [
    origin,
    basePath,
    rootPath,
    query,
    proxy?.origin,
    proxy?.userInfo?.reveal(),
    auth,
    apiKey?.reveal(),
    sent,
    service?.unit,
    service?.run,
  ]
}

function keysOf({ apiKey, headers, proxy }: HttpProvider): string[] {
  const values = [apiKey, proxy?.userInfo, ...headers.map(([, value]) => value)]
  return values.filter((value): value is Secret => typeof value === 'object').map((secret) => secret.reveal())
}
