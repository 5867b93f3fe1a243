// Reads a configuration or key file, if nobody but its owner can have written it. As OpenSSH does with its files
// (StrictModes): whoever can write the configuration can send every prompt and key anywhere. In doubt, it is refused.
import { isUtf8 } from 'node:buffer'
import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats } from 'node:fs'
import { type Accounts, ownershipFault, pathFault } from '../platform/ownership.ts'

export type TrustedFile =
  | { kind: 'read'; text: string }
  | { kind: 'absent' }
  | { kind: 'refused'; message: string; hint: string; line?: number }

export type TrustedBytes = Exclude<TrustedFile, { kind: 'read' }> | { kind: 'read'; bytes: Buffer }

interface Rules {
  readonly maxBytes: number
  /** Nobody else may even read it. */
  readonly isSecret: boolean
}

/**
 * Reads a regular UTF-8 file of at most `maxBytes`. Messages are predicates, to follow the name of the file; hints may be
 * commands.
 */
export function readTrustedFile(path: string, rules: Rules, accounts: Accounts): TrustedFile {
  const file = readTrustedBytes(path, rules, accounts)
  return file.kind === 'read' ? decode(file.bytes) : file
}

/** The same for a file that need not be text. */
export function readTrustedBytes(path: string, rules: Rules, accounts: Accounts): TrustedBytes {
  let descriptor: number
  try {
    // Without O_NONBLOCK, opening a pipe would wait for a writer.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    return openingFault(error)
  }
  try {
    const status = fstatSync(descriptor)
    if (!status.isFile()) {
      return { kind: 'refused', message: `is ${kindOf(status)}`, hint: 'it must be a regular file' }
    }
    const fault = ownershipFault(path, status, rules, accounts)
    if (fault !== undefined) return { kind: 'refused', ...fault }
    const onTheWay = pathFault(path, accounts)
    if (onTheWay !== undefined) {
      const { path: step, message, hint } = onTheWay
      return { kind: 'refused', message: `could be replaced: ${step} ${message}`, hint }
    }
    if (status.size > rules.maxBytes) {
      const message = `is too large: ${status.size} bytes; at most ${rules.maxBytes} are allowed`
      return { kind: 'refused', message, hint: '' }
    }
    return { kind: 'read', bytes: readFileSync(descriptor) }
  } finally {
    closeSync(descriptor)
  }
}

function kindOf(status: Stats): string {
  if (status.isDirectory()) return 'a directory'
  return status.isFIFO() ? 'a pipe' : 'a device'
}

function openingFault(error: unknown): Exclude<TrustedFile, { kind: 'read' }> {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ENOENT' || code === 'ENOTDIR') return { kind: 'absent' }
  if (code === 'EACCES') {
    return { kind: 'refused', message: 'cannot be read by this user', hint: 'change its owner or mode' }
  }
  return { kind: 'refused', message: `cannot be opened (${code ?? 'unknown error'})`, hint: '' }
}

function decode(bytes: Buffer): TrustedFile {
  if (isUtf8(bytes)) return { kind: 'read', text: new TextDecoder().decode(bytes) }
  // A newline byte is never part of a longer character, so lines can be checked one by one.
  let line = 1
  for (let start = 0; start <= bytes.length; line++) {
    const newline = bytes.indexOf(10, start)
    const end = newline < 0 ? bytes.length : newline
    if (!isUtf8(bytes.subarray(start, end))) break
    start = end + 1
  }
  return { kind: 'refused', message: 'is not valid UTF-8', hint: 'save it as UTF-8', line }
}
