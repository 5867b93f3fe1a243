// What the bench has to know of a gateway to run it: where it is, how it starts with the scripted upstream behind it, and
// how a call is addressed to it. Each contender is one file in contenders/.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { findProgram } from '../../test/support/needs.ts'
import type { Format } from './wire.ts'

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

/** Where the calls of a format are sent. */
export interface Entrance {
  readonly path: string
  readonly model: string
}

export interface Contender {
  readonly name: string
  /** How it is set up, for the report. */
  readonly setup: string
  /** By format of the calls. Behind all of them is a provider of chat: calls in other formats are translated. */
  readonly entrances: Readonly<Partial<Record<Format, Entrance>>>
  headers?(place: Place): Readonly<Record<string, string>>
  /** Answers 200 when it is ready; without it a contender is ready when it accepts connections. */
  readonly readyPath?: string
  /** True for a gateway that people pick in place of ours: the report says who of them is ahead of ours, and where. */
  readonly isRival?: boolean
  /** True for ours with a feature on or off, and for an earlier build of it: the report has a table of its own for them. */
  readonly isVariant?: boolean
  /** Names of the measurements that it takes part in; absent: all whose calls it understands. */
  readonly measurements?: readonly string[]
  /** The most streams that it is asked to hold open, where opening them all takes it longer than a run waits. */
  readonly maxStreams?: number
  /** A fault of its own by which some calls fail, for the report; a smoke run does not fail for them. */
  readonly knownFault?: string
  find(options: FindOptions): Promise<Found>
}

/** The format of the calls that are made where the format does not matter: chat, if it takes that. */
export function mainFormat({ entrances }: Pick<Contender, 'entrances'>): Format {
  return entrances.chat === undefined ? 'messages' : 'chat'
}

/** @throws Error where the contender does not take the format. */
export function entranceOf({ name, entrances }: Contender, format: Format): Entrance {
  const entrance = entrances[format]
  if (entrance === undefined) throw new Error(`${name} takes no calls in the format ${format}`)
  return entrance
}

export interface FindOptions {
  /** False: take only what is on this machine already. */
  readonly mayDownload: boolean
  /** Ours as it is packed, or from the sources. */
  readonly isPacked: boolean
}

/**
 * A contender that is a program on the PATH.
 * @param asked how its version is had: what it says to these arguments, or what a function finds
 */
export async function findOnPath(
  program: string,
  asked: readonly string[] | ((program: string) => string | undefined),
  launch: (program: string, place: Place) => Launch,
): Promise<Found> {
  const path = findProgram(program)
  if (path === undefined) return { kind: 'absent', reason: 'not on the PATH' }
  const version = typeof asked === 'function' ? (asked(path) ?? 'unknown') : await versionOf(path, asked)
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
