// A change of a file that a person wrote: shown as a diff, asked about, and made with a copy of the file as it was.
import { constants, copyFileSync, mkdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { printable } from '../platform/printable.ts'
import { replaceFile } from '../platform/replace-file.ts'
import { ask, type AskIo } from './ask.ts'
import { maskedDiff, type TextKind } from './masked-diff.ts'
import { type CommandIo, Output } from './output.ts'

export type EditIo = CommandIo & AskIo

/** Larger files are nobody's settings; a diff takes memory by the square of the lines. */
const maxBytes = 1_048_576
const maxLines = 5_000

const ofAnother = 'belongs to another user; run this as that user'

export type ReadForEdit =
  /** `path` is that of the file itself where the name is a link. */
  | {
      readonly kind: 'read'
      readonly path: string
      readonly text: string
      readonly mode: number
      readonly gid: number
    }
  | { readonly kind: 'absent' }
  /** Why not, as a predicate after the name of the file. */
  | { readonly kind: 'refused'; readonly reason: string }

/** Never throws. */
export function readForEdit(name: string): ReadForEdit {
  try {
    const path = realpathSync(name)
    const status = statSync(path)
    if (!status.isFile()) return { kind: 'refused', reason: 'is not a regular file' }
    // The file that takes its place would belong to whoever runs this.
    if (status.uid !== process.geteuid?.()) return { kind: 'refused', reason: ofAnother }
    if (status.size > maxBytes) return { kind: 'refused', reason: `is larger than ${maxBytes} bytes` }
    const bytes = readFileSync(path)
    const text = bytes.toString('utf8')
    if (!Buffer.from(text).equals(bytes)) return { kind: 'refused', reason: 'is not UTF-8' }
    if (text.split('\n').length > maxLines)
      return { kind: 'refused', reason: `has more than ${maxLines} lines` }
    return { kind: 'read', path, text, mode: status.mode & 0o777, gid: status.gid }
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return { kind: 'absent' }
    return { kind: 'refused', reason: `cannot be read (${code})` }
  }
}

/** Prints what changes, with everything masked that may be a key. @param own as `maskedDiff` takes it. */
export function printDiff(
  io: CommandIo,
  { before, after, own }: { readonly before: string; readonly after: string; readonly own?: string },
  kind: TextKind,
): void {
  const out = new Output(io.stdout, io.env)
  const lines = maskedDiff(before, after, kind, own)
  // Behind the last line break is no line.
  if (lines.at(-1) === ' ') lines.pop()
  for (const line of lines) {
    const text = `  ${printable(line)}`
    if (line.startsWith('+')) out.line(out.styled('green', text))
    else out.line(line.startsWith('-') ? out.styled('red', text) : text)
  }
}

export interface FileChange {
  readonly name: string
  readonly before: ReadForEdit & { readonly kind: 'read' | 'absent' }
  readonly after: string
  /** Of a new file. */
  readonly mode: number
}

/**
 * Writes a change that was shown.
 * @param stamp of the copy's name: `FILE.before-STAMP`.
 * @returns the path of the copy, '' where there was no file. `fault`: why nothing was written, as a clause.
 */
export function writeChange(
  { name, before, after, mode }: FileChange,
  stamp: string,
): { readonly copy: string } | { readonly fault: string } {
  try {
    if (before.kind === 'absent') {
      if (isAtAnother(dirname(name))) return { fault: `${printable(dirname(name))} ${ofAnother}` }
      mkdirSync(dirname(name), { recursive: true, mode: mode === 0o600 ? 0o700 : 0o755 })
      if (readForEdit(name).kind !== 'absent') return { fault: `${printable(name)} has appeared meanwhile` }
      replaceFile(name, after, { mode })
      return { copy: '' }
    }
    const { path, text } = before
    const now = readForEdit(path)
    if (now.kind !== 'read' || now.text !== text)
      return { fault: `${printable(path)} has changed meanwhile; run the command again` }
    const copy = `${path}.before-${stamp}`
    copyFileSync(path, copy, constants.COPYFILE_EXCL)
    replaceFile(path, after, { mode: before.mode, ...keptOwner(before.gid) })
    return { copy }
  } catch (error) {
    const { code, path = name } = error as NodeJS.ErrnoException
    return { fault: `${printable(path)} could not be written (${code ?? String(error)})` }
  }
}

/** A service may read its file by the group. Only root may choose one that it is not in. */
function keptOwner(gid: number): { owner?: { uid: number; gid: number } } {
  const uid = process.geteuid?.() ?? 0
  const mayKeep = uid === 0 || process.getgroups?.().includes(gid) === true
  return mayKeep ? { owner: { uid, gid } } : {}
}

/** Whether root would make a folder, or a file in it, for somebody else, who could not use it. */
function isAtAnother(folder: string): boolean {
  if (process.geteuid?.() !== 0) return false
  const status = statSync(folder, { throwIfNoEntry: false })
  if (status === undefined) return dirname(folder) !== folder && isAtAnother(dirname(folder))
  return status.uid !== 0
}

/** `20261129T064813Z`. */
export function stampOf(nowMs: number): string {
  return new Date(nowMs).toISOString().replaceAll(/[-:]|\.\d+/g, '')
}

/** Asks once about a change that was shown and leaves a copy, so that Enter agrees, and reports a refusal. */
export async function isConfirmed(io: EditIo, question: string): Promise<boolean> {
  const answer = await ask(io, `${question} [Y/n] `)
  if (answer !== undefined && /^(y(es)?)?$/i.test(answer)) return true
  const isAsked = io.stdin.isTTY === true
  const why = isAsked ? '' : ' Nobody is at a terminal to confirm it: add --yes.'
  new Output(io.stderr, io.env).line(`Nothing was written.${why}`)
  return false
}
