// What the gateway holds while calls come and go, and whether it is more and more.
import { performance } from 'node:perf_hooks'

import { heldMemory, type HeldMemory } from '../support/held-memory.ts'
import { pause, type World } from './world.ts'

/** After a collection. */
export interface MemorySample extends Pick<HeldMemory, 'heapUsed' | 'external'> {
  /** Since the first call. */
  readonly atMs: number
  /** Calls that have ended by then. */
  readonly calls: number
}

const sampleEveryMs = 5_000

/** Before, code is compiled and windows of 60 s fill. */
const warmUpMs = 60_000

/** Samples of a third, below which nothing is judged. */
const minSamples = 2

/** What is compiled and learned later than in the warm-up: about 1 MiB in a run of three minutes. */
const allowedBytes = 1.5 * 1_048_576

/** Less than any object that a call could leave behind. */
const allowedBytesPerCall = 70

/** Until the signal comes. @param callsEnded as of now. */
export async function watchMemory(
  { gateway, accuse }: World,
  callsEnded: () => number,
  signal: AbortSignal,
): Promise<MemorySample[]> {
  const samples: MemorySample[] = []
  const beganAtMs = performance.now()
  while ((await pause(sampleEveryMs, signal)) && gateway.ending() === undefined) {
    const held = await heldMemory(gateway).catch((error: Error) => accuse(error.message))
    if (held === undefined) break
    samples.push({ ...held, atMs: performance.now() - beganAtMs, calls: callsEnded() })
  }
  return samples
}

/**
 * Compares the first third after the warm-up with the last. What calls under way hold comes and goes, so that the least of a
 * third counts. Resident memory shows nothing of this: it depends on when V8 collects, and on what malloc gives back.
 */
export function faultsOfMemory(samples: readonly MemorySample[]): readonly string[] {
  const counted = samples.filter(({ atMs }) => atMs > warmUpMs)
  const third = Math.floor(counted.length / 3)
  if (third < minSamples) return []
  const [first, last] = [counted.slice(0, third), counted.slice(-third)]
  const calls = counted.at(-1)!.calls - counted[third - 1]!.calls
  return (['heapUsed', 'external'] as const).flatMap((part) => {
    const least = (of: readonly MemorySample[]) => Math.min(...of.map((sample) => sample[part]))
    const [before, after] = [least(first), least(last)]
    if (after - before <= allowedBytes + calls * allowedBytesPerCall) return []
    return [`${part} that is held grew from ${before} to ${after} bytes in ${calls} calls`]
  })
}
