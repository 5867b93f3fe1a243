// `llm-gateway import FILE`: reads the configuration of another gateway, and writes ours.
import { existsSync } from 'node:fs'

import { ownConfigFile } from '../../config/find.ts'
import type { PathProblem } from '../../config/problems.ts'
import { isObject, membersOf } from '../../bytes/json/parse.ts'
import { printable } from '../../platform/printable.ts'
import { readForEdit, stampOf, writeChange } from '../edited-file.ts'
import { type CommandIo, Output } from '../output.ts'
import { nameCredentials } from './credential-names.ts'
import { withoutCredentials } from './credentials.ts'
import { Draft } from './draft.ts'
import { fitDraft } from './fit-draft.ts'
import { Foreign } from './foreign.ts'
import { readForeignFile, withIncludes } from './read-file.ts'
import type { Source } from './source.ts'
import { findSource, sources } from './sources.ts'
import { printCommands, printSummary, summaryJson } from './summary.ts'
import { placeCommands } from './commands.ts'
import { foreignPath, writeDraft } from './write-draft.ts'

export interface ImportOptions {
  readonly from?: string | undefined
  readonly out?: string | undefined
  /** Writes nothing. */
  readonly check: boolean
  /** Writes the configuration to standard output, and the summary to standard error. */
  readonly stdout: boolean
  readonly withCommands: boolean
  /** Replaces a file that exists, of which a copy is kept. */
  readonly force: boolean
  readonly json: boolean
}

type ImportMachine = Pick<ImportOptions, 'withCommands'> & {
  readonly env: NodeJS.ProcessEnv
  readonly hasServiceManager: boolean
}

/** What a foreign configuration becomes. */
interface Imported {
  readonly source: Source
  readonly draft: Draft
  readonly text: string
}

/**
 * @param hasServiceManager systemd runs this machine.
 * @returns the exit status: 0 when a configuration is written, or would be, 1 when nothing can be, 2 for invalid usage.
 */
export function importCommand(
  io: CommandIo,
  file: string,
  options: ImportOptions,
  hasServiceManager = existsSync('/run/systemd/system'),
): number {
  const err = new Output(io.stderr, io.env)
  const fail = (message: string, status = 1) => {
    err.line(`error: ${printable(message)}`)
    return status
  }
  const names = sources.map(({ name }) => name).join(', ')
  if (options.from !== undefined && findSource(undefined, options.from) === undefined) {
    return fail(`--from is one of ${names}`, 2)
  }
  const out = options.out ?? ownConfigFile(io.env)
  const isWritten = !options.check && !options.stdout
  if (isWritten && !options.force && existsSync(out)) {
    return fail(existsAlready(out))
  }
  const read = readForeignFile(file)
  if (read.kind === 'refused') return fail(`${file} ${read.message}`)
  if (read.kind === 'unreadable') {
    printReadProblems(err, file, read.problems)
    return 1
  }
  const source = findSource(read.value, options.from)
  if (source === undefined || !isObject(read.value)) {
    return fail(
      `${file} does not have the shape of a configuration that can be imported (${names}); name it with --from`,
    )
  }
  const imported = importDocument(file, read, source, { ...options, env: io.env, hasServiceManager })
  if ('refused' in imported) {
    return fail(`nothing of ${file} could become a configuration: ${imported.refused}`)
  }
  const summaryTo = options.stdout ? err : new Output(io.stdout, io.env)
  printCommands(options.json ? err : summaryTo, imported.draft)
  const written = isWritten ? write(out, imported.text, options.force) : { copy: '' }
  if ('fault' in written) return fail(written.fault)
  const result = { ...imported, file, out: isWritten ? out : undefined, copy: written.copy }
  if (options.stdout) io.stdout.write(imported.text)
  if (options.json) summaryTo.json(summaryJson(result, io.env))
  else printSummary(summaryTo, result, io.env)
  return 0
}

function importDocument(
  file: string,
  read: { readonly value: unknown; readonly problems: readonly PathProblem[] },
  source: Source,
  { withCommands, env, hasServiceManager }: ImportMachine,
): Imported | { readonly refused: string } {
  const { value, refused } = withIncludes(
    file,
    read.value,
    isObject(read.value) ? (source.includes?.(read.value) ?? []) : [],
  )
  const root = Foreign.root(value)
  const draft = new Draft(env, source.variables)
  for (const { path, message } of read.problems) {
    draft.notes.push({ kind: 'left_out', from: path, text: withoutQuotes(message) })
  }
  for (const { index, reason } of refused) {
    draft.notes.push({ kind: 'left_out', from: ['include', index], text: reason })
  }
  draft.withholdNamed(value)
  source.convert(root, draft)
  for (const { path, reason } of root.leftovers(source.reasons, 'the gateway has no counterpart')) {
    draft.notes.push({ kind: 'left_out', from: path, text: reason })
  }
  nameCredentials(draft)
  placeCommands(draft, { isAsked: withCommands, hasServiceManager })
  const problems = fitDraft(draft, { env, hasServiceManager })
  const hasProviders = Object.keys(membersOf(draft.config.providers)).length > 0
  if (problems.length > 0 || !hasProviders) {
    const [first] = draft.notes.filter(({ kind }) => kind === 'left_out')
    const why =
      first === undefined ? 'it names no server' : `${foreignPath(first.from, draft.withheld)}: ${first.text}`
    const reason = problems[0] === undefined || !hasProviders ? why : withoutQuotes(problems[0].message)
    return { refused: withoutCredentials(reason, draft.withheld) }
  }
  return { source, draft, text: writeDraft(draft, source.title) }
}

/** Messages of the reader may quote keys. */
const withoutQuotes = (text: string) => text.replaceAll(/"(?:[^"\\]|\\.)*"/g, '…')

function printReadProblems(err: Output, file: string, problems: readonly PathProblem[]): void {
  for (const { position, message, hint = '' } of problems) {
    const at = position === undefined ? '' : `:${position.line}:${position.column}`
    err.line(
      printable(`${file}${at}: ${withoutQuotes(message)}${hint === '' ? '' : ` (${withoutQuotes(hint)})`}`),
    )
  }
  err.line(`error: ${printable(file)} cannot be read`)
}

/** Nobody else may read the new file, whoever could read the one before. */
const mode = 0o600

function write(path: string, text: string, isForced: boolean): ReturnType<typeof writeChange> {
  const before = readForEdit(path)
  if (before.kind === 'refused') return { fault: `${path} ${before.reason}; name another file with --out` }
  if (before.kind === 'read' && !isForced) return { fault: existsAlready(path) }
  const change = {
    name: path,
    before: before.kind === 'read' ? { ...before, mode } : before,
    after: text,
    mode,
  }
  return writeChange(change, stampOf(Date.now()))
}

const existsAlready = (path: string) =>
  `${path} exists; name another file with --out, or replace it with --force`
