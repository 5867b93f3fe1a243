// How fast each target reads prompts, how long it writes, and how much of what it should have cached it really had: learned
// from calls, the latest counting most. A restart of the gateway forgets it.

/** What a call has shown of a target. */
export interface RateSample {
  /** Of the prompt, in bytes, without what the target had cached. Undefined: not known. */
  readonly readBytes: number | undefined
  readonly readMs: number | undefined
  /** From the first token to the last. Undefined: not known. */
  readonly writeMs: number | undefined
}

export interface TargetRate {
  /** Milliseconds that the target takes to read a byte of a prompt. Undefined: not known. */
  readonly readMsPerByte: number | undefined
  /** That it writes at an answer. Undefined: not known. */
  readonly writeMs: number | undefined
  /** From 0 to 1: the share of what it is believed to have cached that it has. */
  readonly trust: number
}

interface Learned {
  readMs: number
  readBytes: number
  writeMs: number | undefined
  trust: number
}

const unknown: TargetRate = { readMsPerByte: undefined, writeMs: undefined, trust: 1 }

/** How much earlier calls count, against the latest one. */
const memory = 0.8
/** Of fewer bytes the time is mostly not that of reading. */
const minReadBytes = 256
/** Of fewer bytes the count of tokens is too coarse. */
const minCachedBytes = 512
/** Of names that clients choose, where a wildcard has several targets. The one learned of longest ago is forgotten. */
const maxTargets = 4096

export class TargetRates {
  /** In the order in which something was learned of them. */
  readonly #learned = new Map<string, Learned>()

  of(target: string): TargetRate {
    const learned = this.#learned.get(target)
    if (learned === undefined) return unknown
    const { readMs, readBytes, writeMs, trust } = learned
    return { readMsPerByte: readBytes > 0 ? readMs / readBytes : undefined, writeMs, trust }
  }

  learn(target: string, { readBytes, readMs, writeMs }: RateSample): void {
    const learned = this.#of(target)
    if (readBytes !== undefined && readMs !== undefined && readBytes >= minReadBytes && readMs > 0) {
      learned.readMs = learned.readMs * memory + readMs
      learned.readBytes = learned.readBytes * memory + readBytes
    }
    if (writeMs !== undefined) {
      learned.writeMs =
        learned.writeMs === undefined ? writeMs : learned.writeMs * memory + writeMs * (1 - memory)
    }
  }

  /** The target had this much cached of what it was believed to have, both in bytes. */
  learnCached(target: string, believed: number, actual: number): void {
    if (believed < minCachedBytes) return
    const learned = this.#of(target)
    learned.trust = learned.trust * memory + Math.min(1, actual / believed) * (1 - memory)
  }

  /** Of all targets whose key begins so. */
  forgetAll(start: string): void {
    for (const key of this.#learned.keys()) if (key.startsWith(start)) this.#learned.delete(key)
  }

  #of(target: string): Learned {
    const known = this.#learned.get(target)
    if (known !== undefined) {
      this.#learned.delete(target)
      this.#learned.set(target, known)
      return known
    }
    if (this.#learned.size >= maxTargets) this.#learned.delete(this.#learned.keys().next().value!)
    const learned = { readMs: 0, readBytes: 0, writeMs: undefined, trust: 1 }
    this.#learned.set(target, learned)
    return learned
  }
}
