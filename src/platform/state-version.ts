// The versions of files in the state directory. Each release reads what earlier ones have written, and brings it forward with a copy
// of the file as it was, `NAME.vN`. A file of a later release is not read, because a guess at its meaning could be wrong: it is
// copied likewise before anything is written in its place, and the operator is told what to do.
import { copyFileSync } from 'node:fs'
import type { StateFile } from './state-file.ts'

type StateValue = Readonly<Record<string, unknown>>

export interface StateFormat {
  /** The version that this release writes, from 1. */
  readonly current: number
  /** By N, what makes version N + 1 of version N. Absent: there is no earlier version than the current one. */
  readonly steps?: Readonly<Record<number, (value: StateValue) => StateValue>>
  /** A longer text is not read. Absent: the limit of all files. */
  readonly maxChars?: number
}

export type ReadValue =
  /** Of the current version. */
  | { readonly kind: 'read'; readonly value: StateValue }
  | { readonly kind: 'absent' }
  /** The reason is a predicate, to follow the name of the file. */
  | { readonly kind: 'unreadable'; readonly reason: string }

/** Reads a file with one JSON object that has a member `version`. Never throws. */
export function readValue(
  file: StateFile,
  { current, steps = {}, maxChars = Infinity }: StateFormat,
): ReadValue {
  const read = file.read()
  if (read.kind !== 'read') return read
  if (read.text.length > maxChars)
    return { kind: 'unreadable', reason: `is longer than ${maxChars} characters` }
  const value = objectIn(read.text)
  if (value === undefined) return { kind: 'unreadable', reason: 'is not a JSON object: cut off?' }
  const { version } = value
  if (!Number.isSafeInteger(version) || (version as number) < 0)
    return { kind: 'unreadable', reason: 'has no version' }
  const written = version as number
  if (written === current) return { kind: 'read', value }
  if (written > current) {
    return { kind: 'unreadable', reason: `${laterRelease(written, current)} ${keepAside(file, written)}` }
  }
  let migrated = value
  for (let from = written; from < current; from++) {
    const step = steps[from]
    if (step === undefined)
      return { kind: 'unreadable', reason: `has version ${written}, which is not known` }
    migrated = { ...step(migrated), version: from + 1 }
  }
  const fault = copyAside(file, written)
  // Without the copy there would be no way back.
  if (fault !== undefined) file.refuse(`${file.path} ${fault}`)
  return { kind: 'read', value: migrated }
}

/** A predicate. */
export function laterRelease(written: number, current: number): string {
  return `is of a later release of llm-gateway (version ${written}; this one reads ${current}).`
}

/**
 * Copies a file of a later release aside, before this one writes its own.
 * @returns sentences: where the copy is, and what to do.
 */
export function keepAside(file: StateFile, version: number): string {
  const fault = copyAside(file, version)
  if (fault !== undefined) {
    file.refuse(`${file.path} ${fault}`)
    return `It ${fault}, so it stays, and nothing is kept over a restart. To use it, run that release again.`
  }
  return `It is kept as ${copyPath(file, version)}. To use it, run that release again, with the copy in its place.`
}

function copyPath({ path }: StateFile, version: number): string {
  return `${path}.v${version}`
}

/** Copies a file to `NAME.vN`. @returns a predicate for why there is no copy. */
export function copyAside(file: StateFile, version: number): string | undefined {
  try {
    copyFileSync(file.path, copyPath(file, version))
    return undefined
  } catch (error) {
    return `could not be copied (${(error as NodeJS.ErrnoException).code ?? String(error)})`
  }
}

function objectIn(text: string): StateValue | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as StateValue)
      : undefined
  } catch {
    return undefined
  }
}
