// What every program of the command line begins with.
import { readFileSync } from 'node:fs'
import { packagePath } from '../platform/package.ts'
import { asErrors, isJournal } from '../systemd/journal.ts'
import type { CommandIo, OutputStream } from './output.ts'

/** The journal shows lines on standard error as errors. */
export function errorStream({ stderr, env }: Pick<CommandIo, 'stderr' | 'env'>): OutputStream {
  return isJournal(env, 2) ? { write: (text: string) => stderr.write(asErrors(text)) } : stderr
}

/** @returns the version of the package: `1.2.3`. */
export function readVersion(): string {
  const text = readFileSync(packagePath('package.json'), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
