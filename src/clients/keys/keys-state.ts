// What the gateway reports about the key file, in `keys.state` of its state directory: which generation all of its threads have
// in force. The command line waits for it, and reports "in force" only then.
import { membersOf, parseJson } from '../../bytes/json/parse.ts'

export const keysStateFile = 'keys.state'

export interface KeysState {
  /** In force in all threads. */
  readonly generation: number
  /** Milliseconds since 1970. */
  readonly loadedAtMs: number
  /** How many serve calls with it. */
  readonly threads: number
  /** Why the file as it is now was refused: the generation before stays in force. */
  readonly refused?: string
}

export function formatKeysState({ generation, loadedAtMs, threads, refused }: KeysState): string {
  const loaded_at = new Date(loadedAtMs).toISOString()
  return `${JSON.stringify({ version: 1, generation, loaded_at, threads, ...(refused !== undefined && { refused }) })}\n`
}

/** Undefined for what `formatKeysState` has not written. */
export function parseKeysState(text: string): KeysState | undefined {
  // Earlier releases wrote none.
  const { version = 1, generation, loaded_at: loadedAt, threads, refused } = membersOf(parseJson(text))
  if (version !== 1) return undefined
  const loadedAtMs = typeof loadedAt === 'string' ? Date.parse(loadedAt) : NaN
  if (!Number.isSafeInteger(generation) || !Number.isSafeInteger(threads) || Number.isNaN(loadedAtMs))
    return undefined
  return {
    generation: generation as number,
    loadedAtMs,
    threads: threads as number,
    ...(typeof refused === 'string' && { refused }),
  }
}
