// The hashes by which a call is placed where its prompt is cached.
import type { ModelRequest } from '../dialects/request.ts'
import { PrefixHasher, type PrefixHashes } from '../routing/prefix-hashes.ts'
import type { Call, Snapshot } from './call.ts'

/** Of a prompt in one iteration of the event loop: some 0.1 ms. */
const maxBytesAtOnce = 98_304

/**
 * Hashes a prompt, a long one in several iterations of the event loop.
 * @returns undefined if calls are placed by load alone, or the request has no prompt to go by.
 */
export function prefixOf(
  { client, dialect }: Pick<Call, 'client' | 'dialect'>,
  request: Pick<ModelRequest, 'promptPieces'>,
  { routing, coordinator }: Pick<Snapshot, 'routing' | 'coordinator'>,
): PrefixHashes | undefined | Promise<PrefixHashes | undefined> {
  // Servers cache prompts of answers only, not of embeddings.
  if (routing.placement === 'least_busy' || !dialect.hasOutputTokens) return undefined
  const pieces = request.promptPieces
  if (pieces.spans.length === 0) return undefined
  const owner = routing.hasSharedPrefixes ? '' : client.id
  const hasher = new PrefixHasher(pieces, coordinator.prefixKey, owner)
  if (hasher.advance(maxBytesAtOnce)) return found(hasher)
  return new Promise((resolve) => {
    const goOn = () => {
      if (hasher.advance(maxBytesAtOnce)) resolve(found(hasher))
      else setImmediate(goOn)
    }
    setImmediate(goOn)
  })
}

function found({ hashes }: PrefixHasher): PrefixHashes | undefined {
  return hashes.length === 0 ? undefined : hashes
}
