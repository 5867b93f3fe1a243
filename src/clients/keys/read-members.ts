// Readers of members of JSON that somebody may have edited by hand: each returns the value, or reports why it cannot be used.
import { isObject, type JsonObject } from '../../bytes/json/parse.ts'

/** Steps from the root of a document: names of members, and indexes of lists. */
export type Place = readonly (string | number)[]

/** @param message a predicate. */
export type ReportFault = (place: Place, message: string) => void

/** Undefined, and reported, for anything but an object. Members of other names are reported. */
export function readMembers(
  value: unknown,
  place: Place,
  known: readonly string[],
  report: ReportFault,
): JsonObject | undefined {
  if (!isObject(value)) {
    report(place, 'must be an object')
    return undefined
  }
  for (const member of Object.keys(value)) {
    if (!known.includes(member)) report([...place, member], 'is not known')
  }
  return value
}

/** Empty, and reported, for anything but a text that matches. */
export function readMatch(
  value: unknown,
  place: Place,
  pattern: RegExp,
  rule: string,
  report: ReportFault,
): string {
  if (typeof value === 'string' && pattern.test(value)) return value
  report(place, rule)
  return ''
}

export function readChoice<Choice extends string>(
  value: unknown,
  place: Place,
  choices: readonly Choice[],
  report: ReportFault,
  isOptional = false,
): Choice | undefined {
  const choice = choices.find((each) => each === value)
  if (choice === undefined && !(isOptional && value === undefined))
    report(place, `must be one of ${choices.join(', ')}`)
  return choice
}

export function readCount(
  value: unknown,
  place: Place,
  most: number,
  report: ReportFault,
  least = 0,
): number | undefined {
  if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most)
    return value as number
  report(place, `must be a whole number from ${least} to ${most}`)
  return undefined
}

export function readFlag(value: unknown, place: Place, report: ReportFault): boolean | undefined {
  if (value === null || value === undefined) return undefined
  if (typeof value === 'boolean') return value
  report(place, 'must be true or false')
  return undefined
}

export const instantRule = 'must be a time in UTC: 2026-11-28T12:00:00Z'

export function readInstant(value: unknown, place: Place, report: ReportFault): number | undefined {
  if (value === null || value === undefined) return undefined
  const isTime = typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?Z$/.test(value)
  const ms = isTime ? Date.parse(value) : NaN
  if (!Number.isNaN(ms)) return ms
  report(place, instantRule)
  return undefined
}
