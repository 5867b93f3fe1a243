// One age file for each secret, NAME.age. Every change replaces a whole file at once, so that there is no moment at which
// a file does not open. What cannot be read can be replaced all the same.
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { syncDirectory } from '../platform/replace-file.ts'

const ending = '.age'

/** Modes of what is written. */
export interface Access {
  readonly directory: number
  readonly file: number
}

/** For a gateway of the same user. */
export const ownAccess: Access = { directory: 0o700, file: 0o600 }

/** For a service with a user of its own, which must read what root writes: all of it is encrypted or public. */
export const serviceAccess: Access = { directory: 0o755, file: 0o644 }

export interface SecretFile {
  readonly name: string
  readonly path: string
  /** When its value was set. */
  readonly changedAtMs: number
}

/** Whether a text can be the name of a secret, and so of a file. */
export function isSecretName(name: string): boolean {
  return /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/.test(name) && !name.endsWith(ending)
}

export function secretFile(directory: string, name: string): string {
  return join(directory, name + ending)
}

/** Sorted by name; empty if there is no directory. @throws when it cannot be read. */
export function listSecretFiles(directory: string): SecretFile[] {
  if (!existsSync(directory)) return []
  const names = readdirSync(directory)
    .filter((file) => file.endsWith(ending))
    .map((file) => file.slice(0, -ending.length))
  return names
    .filter(isSecretName)
    .sort()
    .map((name) => {
      const path = secretFile(directory, name)
      return { name, path, changedAtMs: changedAtMsOf(path) }
    })
}

/** Of a link that leads nowhere, the link's: it is listed as a secret that does not open. */
function changedAtMsOf(path: string): number {
  try {
    return statSync(path).mtimeMs
  } catch {
    return lstatSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
  }
}

/** Creates it if there is none. @throws when that fails. */
export function makeSecretDirectory(directory: string, access: Access): void {
  if (existsSync(directory)) return
  mkdirSync(directory, { recursive: true, mode: access.directory })
  // The umask may have taken away what a service needs.
  chmodSync(directory, access.directory)
}

/** @returns whether there was one. @throws when it cannot be removed. */
export function removeSecretFile(directory: string, name: string): boolean {
  const path = secretFile(directory, name)
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return false
  rmSync(path)
  syncDirectory(directory)
  return true
}
