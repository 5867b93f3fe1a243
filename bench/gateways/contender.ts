// What the bench has to know of a gateway to run it: where it is, how it starts with the scripted upstream behind it, and
// how a call is addressed to it. Each contender is one file in contenders/.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { findProgram } from '../../test/support/needs.ts'

/** Where one instance lives. */
export interface Place {
  /** On 127.0.0.1, free a moment ago. */
  readonly port: number
  readonly upstreamPort: number
  /** Empty, and removed afterwards. */
  readonly directory: string
  /** How many files one process may open here. */
  readonly maxFiles: number
}

export interface Launch {
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Files to write before, by name in the place's directory. */
  readonly files?: Readonly<Record<string, string>>
  readonly withChannel?: boolean
  /** On whatever core the system gives it, in place of one of its own. */
  readonly isSpread?: boolean
}

export type Found =
  | { readonly kind: 'found'; readonly version: string; launch(place: Place): Launch }
  | { readonly kind: 'absent'; readonly reason: string }

export interface Contender {
  readonly name: string
  /** How it is set up, for the report. */
  readonly setup: string
  /** Where a call is sent. */
  readonly path: string
  readonly model: string
  headers?(place: Place): Readonly<Record<string, string>>
  /** Answers 200 when it is ready; without it a contender is ready when it accepts connections. */
  readonly readyPath?: string
  find(options: FindOptions): Promise<Found>
}

export interface FindOptions {
  /** False: take only what is on this machine already. */
  readonly mayDownload: boolean
  /** Ours as it is packed, or from the sources. */
  readonly isPacked: boolean
}

/** A contender that is a program on the PATH. */
export async function findOnPath(
  program: string,
  versionArgs: readonly string[],
  launch: (program: string, place: Place) => Launch,
): Promise<Found> {
  const path = findProgram(program)
  if (path === undefined) return { kind: 'absent', reason: 'not on the PATH' }
  const version = await versionOf(path, versionArgs)
  return { kind: 'found', version, launch: (place) => launch(path, place) }
}

/** The first thing that looks like a version in what a program says of itself. */
async function versionOf(path: string, args: readonly string[]): Promise<string> {
  try {
    const { stdout, stderr } = await promisify(execFile)(path, [...args], { timeout: 20_000 })
    return /\d+\.\d+(?:\.\d+)*/.exec(stdout + stderr)?.[0] ?? 'unknown'
  } catch {
    return 'unknown'
  }
}
