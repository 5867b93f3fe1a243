// A server like llama.cpp in simulated time: slots that keep the prompt of their last call, memory for prompts that no slot
// holds, prompts read one after the other, and time for each byte that is not cached.

/** Of llama.cpp with a model of 270 million parameters on one core: 15 ms a token of 4 bytes to read, 130 ms to write one. */
const readMsPerByte = 3.75
const writeMsPerToken = 130

/** As llama.cpp does it (`slot_prompt_similarity`): a slot that has less of a prompt is not preferred for it. */
const minSimilarity = 0.1
/** A slot of which less than this is kept has its prompt put aside first. */
const minKept = 0.5
/** Prompts that are put aside. */
const maxAside = 16

export interface ServedCall {
  /** As the server's cache would hold it, and after the answer. */
  readonly prompt: string
  readonly after: string
  readonly outputTokens: number
  readonly onFirst: (cachedBytes: number, readMs: number) => void
  readonly onEnd: () => void
}

interface Slot {
  text: string
  usedAtMs: number
  isBusy: boolean
}

/** Calls of functions in simulated time. */
export class Simulation {
  nowMs = 0
  readonly #due: { atMs: number; run: () => void }[] = []

  after(delayMs: number, run: () => void): void {
    this.#due.push({ atMs: this.nowMs + delayMs, run })
  }

  run(): void {
    while (this.#due.length > 0) {
      const next = this.#due.reduce((first, each) => (each.atMs < first.atMs ? each : first))
      this.#due.splice(this.#due.indexOf(next), 1)
      this.nowMs = next.atMs
      next.run()
    }
  }
}

export class SimulatedServer {
  readBytes = 0
  readonly #simulation: Simulation
  readonly #slots: Slot[]
  #aside: string[] = []
  readonly #waiting: ServedCall[] = []
  /** When all prompts are read that have been taken so far. */
  #readAtMs = 0
  #restarts = 0

  constructor(simulation: Simulation, slots: number) {
    this.#simulation = simulation
    this.#slots = Array.from({ length: slots }, () => ({ text: '', usedAtMs: -1, isBusy: false }))
  }

  serve(call: ServedCall): void {
    this.#waiting.push(call)
    this.#take()
  }

  /** Its caches are gone, and it begins no call until then. Those under way go on. */
  restart(forMs: number): void {
    this.#restarts += 1
    for (const slot of this.#slots) slot.text = ''
    this.#aside = []
    this.#readAtMs = Math.max(this.#readAtMs, this.#simulation.nowMs) + forMs
  }

  #take(): void {
    const free = this.#slots.filter(({ isBusy }) => !isBusy)
    if (free.length === 0 || this.#waiting.length === 0) return
    const call = this.#waiting.shift()!
    const slot = this.#slotFor(call.prompt, free)
    const cachedBytes = commonLength(slot.text, call.prompt)
    const simulation = this.#simulation
    const restarts = this.#restarts
    slot.isBusy = true
    slot.text = call.prompt
    const bytes = call.prompt.length - cachedBytes
    this.readBytes += bytes
    const readMs = bytes * readMsPerByte
    this.#readAtMs = Math.max(this.#readAtMs, simulation.nowMs) + readMs
    simulation.after(this.#readAtMs - simulation.nowMs, () => {
      call.onFirst(cachedBytes, readMs)
      simulation.after(call.outputTokens * writeMsPerToken, () => {
        slot.isBusy = false
        slot.text = restarts === this.#restarts ? call.after : ''
        slot.usedAtMs = simulation.nowMs
        call.onEnd()
        this.#take()
      })
    })
    this.#take()
  }

  #slotFor(prompt: string, free: readonly Slot[]): Slot {
    const best = free.reduce((first, each) =>
      commonLength(each.text, prompt) > commonLength(first.text, prompt) ? each : first,
    )
    const isSimilar = commonLength(best.text, prompt) > prompt.length * minSimilarity
    const slot = isSimilar
      ? best
      : free.reduce((first, each) => (each.usedAtMs < first.usedAtMs ? each : first))
    const kept = commonLength(slot.text, prompt)
    if (slot.text === '' || kept >= slot.text.length * minKept) return slot
    this.#aside = [slot.text, ...this.#aside.filter((text) => text !== slot.text)].slice(0, maxAside)
    const found = this.#aside.reduce((first, each) =>
      commonLength(each, prompt) > commonLength(first, prompt) ? each : first,
    )
    if (commonLength(found, prompt) > kept) slot.text = found
    return slot
  }
}

function commonLength(one: string, other: string): number {
  const most = Math.min(one.length, other.length)
  let length = 0
  while (length < most && one.charCodeAt(length) === other.charCodeAt(length)) length += 1
  return length
}
