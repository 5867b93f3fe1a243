import { isDeepStrictEqual } from 'node:util'
import type { HttpProvider, ProviderConfig, Secret } from '../config/types.ts'

/** Whether two configurations make the same provider. Keys count by their values: a new one may stand in the old place. */
export function hasSameSettings(one: ProviderConfig, other: ProviderConfig): boolean {
  if (!isDeepStrictEqual(one, other)) return false
  if (one.kind === 'echo' || other.kind === 'echo') return true
  return isDeepStrictEqual(keysOf(one), keysOf(other))
}

function keysOf({ apiKey, headers }: HttpProvider): string[] {
  const values = [apiKey, ...headers.map(([, value]) => value)]
  return values.filter((value): value is Secret => typeof value === 'object').map((secret) => secret.reveal())
}
