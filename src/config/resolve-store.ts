// `rate_limit_settings.store` of the file → as the program uses it.
import { signingKey } from './check-store.ts'
import { defaults } from './defaults.ts'
import type { RawSecret, RawStore } from './raw.ts'
import type { Secret } from './secret.ts'
import type { StoreConfig } from './store-types.ts'

/** @param ca the text of `ca_file`, if there is one. */
export function resolveStore(
  raw: RawStore = defaults.rate_limit_settings.store,
  secrets: ReadonlyMap<RawSecret, Secret>,
  ca: string | undefined,
): StoreConfig {
  if (raw.kind === 'memory') return { kind: 'memory' }
  const store = { ...defaults.store, ...raw }
  return {
    kind: 'valkey',
    url: raw.url && secrets.get(raw.url),
    prefix: store.prefix,
    whenUnavailable: store.when_unavailable,
    members: raw.members!,
    ca,
    keysSignedBy: store.keys_signed_by.map((text) => signingKey(text)!),
    signsKeys: raw.sign_keys_with !== undefined,
    signKeysWith: raw.sign_keys_with && secrets.get(raw.sign_keys_with),
  }
}
