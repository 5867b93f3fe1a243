// Records in memory that threads share, found by kind and name. They are never moved or taken out: names come from the
// configuration and from what providers list, never from clients. Every call here needs the memory's lock.
import type { SharedMemory } from '../shared-memory.ts'

/** Words of a record before its payload: the next record (in units of 8 bytes), its kind, the lengths of payload and name. */
const nextWord = 0
const kindWord = 1
const payloadBytesWord = 2
const nameBytesWord = 3
const headBytes = 16

/** What there are records of. */
export const recordKinds = { window: 1, modelSlots: 2, providerSlots: 3, line: 4, rates: 5 } as const

const encoder = new TextEncoder()
const decoder = new TextDecoder()

export class SharedDirectory {
  readonly #memory: SharedMemory
  /** Payloads by kind, then name, as far as this thread has read the list. */
  readonly #known = new Map<number, Map<string, number>>()
  /** The last record read; the first one of all, which has no name, is where the list begins. */
  #last: number

  /** @param first offset of the list's beginning, as `create` gave it. */
  constructor(memory: SharedMemory, first: number) {
    this.#memory = memory
    this.#last = first
  }

  /** An empty directory. Returns its place. */
  static create(memory: SharedMemory): number {
    const first = memory.allocate(headBytes)
    if (first === undefined) throw new RangeError('no room for a directory')
    return first
  }

  /** Where the payload lies; undefined: there is no such record. */
  find(kind: number, name: string): number | undefined {
    const known = this.#known.get(kind)?.get(name)
    if (known !== undefined) return known
    this.#readOn()
    return this.#known.get(kind)?.get(name)
  }

  /** The same, added with zeros where it is missing; for one kind always with as many bytes. Undefined: no room for it. */
  findOrAdd(kind: number, name: string, payloadBytes: number): number | undefined {
    return this.find(kind, name) ?? this.#append(kind, name, payloadBytes)
  }

  /** Those of one kind, from the oldest on. */
  namesOf(kind: number): string[] {
    this.#readOn()
    return [...(this.#known.get(kind)?.keys() ?? [])]
  }

  /** Takes in what other threads have added. */
  #readOn(): void {
    const { buffer } = this.#memory
    for (;;) {
      const next = new Int32Array(buffer, this.#last, 4)[nextWord]! * 8
      if (next === 0) return
      const head = new Int32Array(buffer, next, 4)
      const nameStart = next + headBytes + head[payloadBytesWord]!
      // A decoder takes no memory that threads share.
      const name = new Uint8Array(buffer, nameStart, head[nameBytesWord]).slice()
      this.#know(head[kindWord]!, decoder.decode(name), next + headBytes)
      this.#last = next
    }
  }

  /** The record is whole before the list leads to it. */
  #append(kind: number, name: string, payloadBytes: number): number | undefined {
    const bytes = encoder.encode(name)
    const record = this.#memory.allocate(headBytes + payloadBytes + bytes.length)
    if (record === undefined) return undefined
    const { buffer } = this.#memory
    const head = new Int32Array(buffer, record, 4)
    head[kindWord] = kind
    head[payloadBytesWord] = payloadBytes
    head[nameBytesWord] = bytes.length
    new Uint8Array(buffer, record + headBytes + payloadBytes, bytes.length).set(bytes)
    new Int32Array(buffer, this.#last, 4)[nextWord] = record / 8
    this.#last = record
    this.#know(kind, name, record + headBytes)
    return record + headBytes
  }

  #know(kind: number, name: string, payload: number): void {
    const names = this.#known.get(kind) ?? new Map<string, number>()
    this.#known.set(kind, names.set(name, payload))
  }
}
