// Where a new key goes: to standard output, alone, or into a file that only its owner may read. Once: nothing else keeps it.
import { closeSync, constants, fsyncSync, openSync, rmSync, writeFileSync } from 'node:fs'
import type { OutputStream } from './output.ts'

export interface KeyOutput {
  /** Where everything but the key is printed. */
  readonly stream: OutputStream
  /** Prints the key, once the key file has it. */
  print(): void
  /** Removes what was written: the key file does not have it. */
  discard(): void
}

/**
 * Takes the key before the key file is changed, so that a key that cannot be handed over is never created.
 * @param to a file that does not exist yet; undefined: standard output.
 */
export function openKeyOutput(
  io: { readonly stdout: OutputStream; readonly stderr: OutputStream },
  to: string | undefined,
  text: string,
): KeyOutput | { readonly message: string } {
  if (to === undefined) {
    return { stream: io.stderr, print: () => io.stdout.write(`${text}\n`), discard: () => {} }
  }
  const fault = writeNewFile(to, `${text}\n`)
  if (fault !== undefined) return { message: fault }
  return { stream: io.stdout, print: () => {}, discard: () => rmSync(to, { force: true }) }
}

function writeNewFile(path: string, text: string): string | undefined {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants
  let descriptor: number
  try {
    descriptor = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException
    return code === 'EEXIST'
      ? `${path} is there already; name a new file, and no key is lost`
      : `${path} cannot be written (${code})`
  }
  try {
    writeFileSync(descriptor, text)
    fsyncSync(descriptor)
    return undefined
  } catch (error) {
    rmSync(path, { force: true })
    return `${path} cannot be written (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`
  } finally {
    closeSync(descriptor)
  }
}
