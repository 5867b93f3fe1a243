// Reads the members of an object of JSON that somebody may have edited by hand: each reader returns the value, or reports why
// it cannot be used. A member that is null is one that is not there.
import { isObject, type JsonObject } from '../../bytes/json/parse.ts'

/** Steps from the root of a document: names of members, and indexes of lists. */
export type Place = readonly (string | number)[]

/** @param message a predicate. */
export type ReportFault = (place: Place, message: string) => void

/** Undefined, and reported, for anything but an object. Members of other names than `known` are reported. */
export function membersAt(
  value: unknown,
  place: Place,
  known: ReadonlySet<string>,
  report: ReportFault,
): Members | undefined {
  if (!isObject(value)) {
    report(place, 'must be an object')
    return undefined
  }
  for (const member in value) {
    if (!known.has(member)) report([...place, member], 'is not known')
  }
  return new Members(value, place, report)
}

/** The members of one object. Places are made for faults only: a file may hold 10,000 keys. */
export class Members {
  readonly #values: JsonObject
  readonly #place: Place
  readonly #report: ReportFault

  constructor(values: JsonObject, place: Place, report: ReportFault) {
    this.#values = values
    this.#place = place
    this.#report = report
  }

  /** Undefined for null, too. */
  get(member: string): unknown {
    return this.#values[member] ?? undefined
  }

  placeOf(member: string): Place {
    return [...this.#place, member]
  }

  fault(member: string, message: string): void {
    this.#report(this.placeOf(member), message)
  }

  /** Empty, and reported, for anything but a text that matches. */
  match(member: string, pattern: RegExp, rule: string): string {
    const value = this.get(member)
    if (typeof value === 'string' && pattern.test(value)) return value
    this.fault(member, rule)
    return ''
  }

  choice<Choice extends string>(member: string, choices: readonly Choice[]): Choice | undefined {
    const choice = choices.find((each) => each === this.get(member))
    if (choice === undefined) this.fault(member, `must be one of ${choices.join(', ')}`)
    return choice
  }

  /** A whole number within bounds. */
  count(member: string, least: number, most: number): number | undefined {
    const value = this.get(member)
    if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most)
      return value as number
    this.fault(member, `must be a whole number from ${least} to ${most}`)
    return undefined
  }

  flag(member: string): boolean | undefined {
    const value = this.get(member)
    if (value === undefined || typeof value === 'boolean') return value
    this.fault(member, 'must be true or false')
    return undefined
  }

  /** Milliseconds since 1970. */
  instant(member: string): number | undefined {
    const value = this.get(member)
    if (value === undefined) return undefined
    const ms = typeof value === 'string' && instantPattern.test(value) ? Date.parse(value) : NaN
    if (!Number.isNaN(ms)) return ms
    this.fault(member, instantRule)
    return undefined
  }

  /** A missing one is empty. */
  list(member: string, most: number, items: string): readonly unknown[] {
    const value = this.get(member) ?? []
    if (Array.isArray(value) && value.length <= most) return value
    this.fault(member, `must be a list of at most ${most} ${items}`)
    return []
  }
}

export const instantRule = 'must be a time in UTC: 2026-11-28T12:00:00Z'

const instantPattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?Z$/
