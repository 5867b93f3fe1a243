// A value of another program's configuration, with its key path. What a converter takes is remembered, so that the rest can be
// reported: nothing is dropped without a word.
import { isObject } from '../../bytes/json/parse.ts'
import type { Path } from '../../config/problems.ts'

/** What was taken of a document, by path. */
class Ledger {
  /** What is dealt with, including everything below. */
  readonly taken = new Set<string>()
  /** What has something below that is dealt with. */
  readonly touched = new Set<string>()

  take(path: Path): void {
    this.taken.add(idOf(path))
    for (let length = path.length - 1; length >= 0; length -= 1) {
      const id = idOf(path.slice(0, length))
      if (this.touched.has(id)) return
      this.touched.add(id)
    }
  }
}

const idOf = (path: Path) => JSON.stringify(path)

/** Why keys are left out: patterns of key paths (`model_list.*.model_info.id`; `*` is any key or index), and sentences. */
export type Reasons = readonly (readonly [pattern: string, reason: string])[]

export interface Leftover {
  readonly path: Path
  readonly reason: string
}

export class Foreign {
  readonly value: unknown
  readonly path: Path
  readonly #ledger: Ledger

  private constructor(value: unknown, path: Path, ledger: Ledger) {
    this.value = value
    this.path = path
    this.#ledger = ledger
  }

  static root(value: unknown): Foreign {
    return new Foreign(value, [], new Ledger())
  }

  /** The member with this key; its value is undefined if there is none. */
  get(key: string): Foreign {
    const value = isObject(this.value) && Object.hasOwn(this.value, key) ? this.value[key] : undefined
    return new Foreign(value, [...this.path, key], this.#ledger)
  }

  /** The first of several spellings of one key that is there. */
  anyOf(...keys: readonly [string, ...string[]]): Foreign {
    return keys.map((key) => this.get(key)).find(({ value }) => value !== undefined) ?? this.get(keys[0])
  }

  /** A member along several keys. */
  at(...keys: readonly string[]): Foreign {
    return keys.reduce<Foreign>((node, key) => node.get(key), this)
  }

  get isThere(): boolean {
    return this.value !== undefined && this.value !== null
  }

  /** The text, which stays untaken; empty for anything else. */
  get word(): string {
    return typeof this.value === 'string' ? this.value : ''
  }

  items(): readonly Foreign[] {
    if (!Array.isArray(this.value)) return []
    return this.value.map((value, index) => new Foreign(value, [...this.path, index], this.#ledger))
  }

  members(): readonly (readonly [key: string, member: Foreign])[] {
    return isObject(this.value) ? Object.keys(this.value).map((key) => [key, this.get(key)] as const) : []
  }

  /** Deals with this value and everything in it. */
  take(): unknown {
    if (this.value !== undefined) this.#ledger.take(this.path)
    return this.value
  }

  /** The text, also of a number; undefined for anything else, which stays untaken. */
  text(): string | undefined {
    const { value } = this
    if (typeof value !== 'string' && typeof value !== 'number') return undefined
    this.take()
    return String(value)
  }

  /** A finite number, also written as text, with underscores as YAML 1.1 allows. */
  number(): number | undefined {
    const { value } = this
    const number =
      typeof value === 'string' && /^-?\d[\d_]*(?:\.\d+)?(?:e[+-]?\d+)?$/i.test(value.trim())
        ? Number(value.replaceAll('_', ''))
        : value
    if (typeof number !== 'number' || !Number.isFinite(number)) return undefined
    this.take()
    return number
  }

  /** A truth value, also as YAML 1.1 writes them. */
  boolean(): boolean | undefined {
    const word = typeof this.value === 'string' ? this.value.toLowerCase() : this.value
    const value = ['true', 'yes', 'on', true].includes(word as string)
      ? true
      : ['false', 'no', 'off', false].includes(word as string)
        ? false
        : undefined
    if (value !== undefined) this.take()
    return value
  }

  /** The texts of a list, or one text that stands for a list of one; other items stay untaken. */
  texts(): readonly string[] {
    const one = typeof this.value === 'string' ? this.text() : undefined
    return one === undefined ? this.items().flatMap((item) => item.text() ?? []) : [one]
  }

  /** What no one has taken, each with the reason of the longest pattern, or a general one. */
  leftovers(reasons: Reasons, general: string): readonly Leftover[] {
    const patterns = reasons.map(([pattern, reason]) => ({ steps: pattern.split('.'), reason }))
    const found: Leftover[] = []
    const visit = (value: unknown, path: Path): void => {
      if (value === undefined || this.#ledger.taken.has(idOf(path))) return
      const reason = patterns.find(({ steps }) => steps.length === path.length && fits(steps, path))?.reason
      const mayDescend =
        this.#ledger.touched.has(idOf(path)) ||
        patterns.some(({ steps }) => steps.length > path.length && fits(steps.slice(0, path.length), path))
      const isHolder = Array.isArray(value) ? value.length > 0 : isObject(value)
      if (reason !== undefined && !this.#ledger.touched.has(idOf(path))) found.push({ path, reason })
      else if (!isHolder || !mayDescend) found.push({ path, reason: reason ?? general })
      else if (Array.isArray(value)) value.forEach((item, index) => visit(item, [...path, index]))
      else for (const [key, member] of Object.entries(value as object)) visit(member, [...path, key])
    }
    visit(this.value, this.path)
    return found
  }
}

function fits(steps: readonly string[], path: Path): boolean {
  return steps.every((step, index) => step === '*' || step === String(path[index]))
}
