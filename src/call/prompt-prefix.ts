// The hashes by which a call is placed where its prompt is cached.
import type { ModelRequest } from '../dialects/request.ts'
import { PrefixHasher, type PrefixHashes } from '../routing/prefix-hashes.ts'
import type { Call, Snapshot } from './call.ts'

/** Shorter requests are hashed at once: some 0.1 ms. */
const maxBytesAtOnce = 65_536
/** Between two looks at the clock: some 20 µs. */
const stepBytes = 16_384

/**
 * Hashes a prompt, a long one in slices of time.
 * @returns undefined if calls are placed by load alone, or the request has no prompt to go by.
 */
export function prefixOf(
  { client, dialect }: Pick<Call, 'client' | 'dialect'>,
  request: Pick<ModelRequest, 'promptPieces'>,
  { routing, coordinator, timeSlices }: Pick<Snapshot, 'routing' | 'coordinator' | 'timeSlices'>,
): PrefixHashes | undefined | Promise<PrefixHashes | undefined> {
  // Servers cache prompts of answers only, not of embeddings.
  if (routing.placement === 'least_busy' || !dialect.hasOutputTokens) return undefined
  const pieces = request.promptPieces
  const owner = routing.hasSharedPrefixes ? '' : client.id
  const hasher = new PrefixHasher(pieces, coordinator.prefixKey, owner)
  const advance = (maxBytes: number) => pieces.findSpans(maxBytes) && hasher.advance(maxBytes)
  if (pieces.bytes.length <= maxBytesAtOnce) {
    advance(Infinity)
    return found(hasher)
  }
  const isDone = () => {
    for (let hasTime = timeSlices.startSlice(); hasTime; hasTime = !timeSlices.sliceIsOver()) {
      if (advance(stepBytes)) return true
    }
    return false
  }
  if (isDone()) return found(hasher)
  return new Promise((resolve) => {
    const goOn = () => {
      if (isDone()) resolve(found(hasher))
      else timeSlices.yieldTo(goOn)
    }
    timeSlices.yieldTo(goOn)
  })
}

function found({ hashes }: PrefixHasher): PrefixHashes | undefined {
  return hashes.length === 0 ? undefined : hashes
}
