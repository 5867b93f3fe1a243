// Reads the file that is to be imported, and those that it includes: they stay below its folder.
import { closeSync, constants, fstatSync, openSync, readSync, realpathSync } from 'node:fs'
import { dirname, join, sep } from 'node:path'

import { isObject } from '../../bytes/json/parse.ts'
import { readForeignDocument } from '../../config/foreign-document.ts'
import type { PathProblem } from '../../config/problems.ts'

/** Ours may have as much. */
const maxBytes = 1024 * 1024
const maxIncludes = 50

export type ReadForeignFile =
  | { readonly kind: 'read'; readonly value: unknown; readonly problems: readonly PathProblem[] }
  /** A sentence about the file. */
  | { readonly kind: 'refused'; readonly message: string }
  | { readonly kind: 'unreadable'; readonly problems: readonly PathProblem[] }

export function readForeignFile(path: string): ReadForeignFile {
  const text = readText(path)
  if (typeof text !== 'string') return { kind: 'refused', message: text.message }
  return readForeignDocument(text)
}

/** The document with the files that it includes: lists are appended, mappings merged, as LiteLLM does. */
export function withIncludes(
  path: string,
  value: unknown,
  names: readonly unknown[],
): {
  readonly value: unknown
  readonly refused: readonly { readonly index: number; readonly reason: string }[]
} {
  const refused: { index: number; reason: string }[] = []
  const merged = Object.assign(Object.create(null), value) as Record<string, unknown>
  for (const [index, name] of names.entries()) {
    const read = index < maxIncludes ? readIncluded(path, name) : 'there are too many'
    if (typeof read === 'string') {
      refused.push({ index, reason: read })
      continue
    }
    for (const [key, member] of Object.entries(read)) {
      const own = merged[key]
      if (Array.isArray(own) && Array.isArray(member)) merged[key] = [...own, ...member]
      else if (isObject(own) && isObject(member)) {
        merged[key] = Object.assign(Object.create(null), own, member)
      } else merged[key] = member
    }
  }
  return { value: merged, refused }
}

function readIncluded(path: string, name: unknown): Record<string, unknown> | string {
  if (typeof name !== 'string') return 'it is not the name of a file'
  let real: string
  try {
    const folder = realpathSync(dirname(path))
    real = realpathSync(join(folder, name))
    if (!real.startsWith(folder === sep ? sep : folder + sep)) {
      return 'it is outside of the folder of the file'
    }
  } catch {
    return 'there is no such file below the folder of the file'
  }
  const read = readForeignFile(real)
  if (read.kind !== 'read') return 'it cannot be read'
  return isObject(read.value) ? read.value : 'it is not a mapping'
}

function readText(path: string): string | { message: string } {
  let descriptor: number | undefined
  try {
    // A pipe without a writer would keep the open waiting.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const bytes = Buffer.alloc(maxBytes + 1)
    let length = 0
    if (fstatSync(descriptor).isDirectory()) return { message: 'is a directory' }
    for (let count = 1; count > 0 && length < bytes.length; length += count) {
      count = readSync(descriptor, bytes, { offset: length })
    }
    if (length > maxBytes) return { message: `is larger than ${maxBytes} bytes` }
    return bytes.toString('utf8', 0, length)
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException
    return { message: code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})` }
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}
