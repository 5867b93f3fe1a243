// What placing calls assumes of a provider by its entry.
import type { ProviderConfig } from '../config/provider-types.ts'
import type { ServerTraits } from '../routing/expected-time.ts'
import type { SlotProvider } from './provider-scopes.ts'

/** Of a provider that a reload has removed. */
export const unknownTraits: ServerTraits = { cache: 'paid', slots: undefined }

/** With `auto`, the slots are those that the server reports. */
export function traitsOf(
  config: ProviderConfig | undefined,
  { isLocal, maxParallelRequests: max }: SlotProvider,
): ServerTraits {
  return { cache: cacheOf(config, isLocal), slots: max === 'auto' ? undefined : max }
}

/** A server of an unknown kind is taken for the one that most people run. */
function cacheOf(config: ProviderConfig | undefined, isLocal: boolean): ServerTraits['cache'] {
  if (!isLocal) return 'paid'
  return config?.kind === 'vllm' ? 'shared' : 'slots'
}
