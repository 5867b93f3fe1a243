// `llm-gateway connect`: leads a client to the gateway, by the client's own settings. Without a client: the list of those it knows.
import { existsSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, isAbsolute, join } from 'node:path'
import { closestName } from '../platform/did-you-mean.ts'
import { printable } from '../platform/printable.ts'
import { shellWord } from '../platform/shell-word.ts'
import type { Client, Destination, Home } from './connect/client.ts'
import { clients } from './connect/clients.ts'
import { type DestinationOptions, findDestination } from './connect/destination.ts'
import { type EditIo, isConfirmed, printDiff, readForEdit, stampOf, writeChange } from './edited-file.ts'
import { ownCommand } from './invocation.ts'
import { type CommandIo, Output } from './output.ts'
import { printTable } from './table.ts'
import { printProblems } from './validate-config.ts'

export interface ConnectOptions extends DestinationOptions {
  /** Change the client's file, in place of printing what belongs there. */
  readonly isWritten: boolean
  /** Show what `--write` would change, and change nothing. */
  readonly isDryRun: boolean
  /** Write without asking. */
  readonly yes: boolean
}

/** @returns the exit status: 0 when the lines are printed, or the file leads to the gateway. */
export async function connectCommand(
  io: EditIo,
  name: string,
  options: ConnectOptions,
  nowMs: number,
): Promise<number> {
  const err = new Output(io.stderr, io.env)
  const client = clients.find((each) => each.name === name)
  if (client === undefined) {
    const names = clients.map((each) => each.name)
    const near = closestName(name, names)
    const hint = near === undefined ? `It knows: ${names.join(', ')}` : `Did you mean "${near}"?`
    err.line(`error: connect does not know the client "${printable(name)}". ${hint}`)
    return 1
  }
  const found = await findDestination(options, io.env)
  if (found.kind === 'invalid') {
    printProblems(io, found.loaded.problems, found.loaded.lines)
    return 1
  }
  if (found.kind === 'refused') {
    err.line(`error: ${found.message}`)
    return 1
  }
  const { to, otherModels, warnings } = found
  for (const warning of warnings) err.line(`${err.styled('yellow', 'warning:')} ${warning}`)
  const out = new Output(io.stdout, io.env)
  if (!options.isWritten) {
    printLines(io, client, to, options)
    printOtherModels(out, otherModels)
    return 0
  }
  const status = await write(io, client, to, options, nowMs)
  if (status === 0) printOtherModels(out, otherModels)
  return status
}

const maxShownModels = 8

function printOtherModels(out: Output, models: readonly string[]): void {
  if (models.length === 0) return
  const shown = models.slice(0, maxShownModels).map((model) => printable(model))
  const more = models.length > maxShownModels ? `, … (${models.length})` : ''
  out.line(`Other models, for --model: ${shown.join(', ')}${more}`)
}

/** The lines that lead a client to the gateway, for people to copy. @param chosen the options by which that gateway is found. */
export function printLines(
  io: CommandIo,
  client: Client,
  to: Destination,
  chosen: DestinationOptions = {},
): void {
  const out = new Output(io.stdout, io.env)
  const { file, variables, withoutFile, start } = client
  out.line(out.styled('bold', client.title))
  if (variables !== undefined) {
    const own = variablesFor(client, to, variables(to))
    for (const [name, value] of Object.entries(own))
      out.line(printable(`  export ${name}=${shellWord(value)}`))
  } else if (file !== undefined) {
    const edited = file.edit('', to)
    out.line(`in ${printable(file.path(homeOf(io.env)))}:`)
    const text = edited.kind === 'edited' ? edited.text : ''
    for (const line of text.trimEnd().split('\n')) out.line(`  ${printable(line)}`)
  }
  if (start !== undefined) out.line(`  ${printable(start(withShellWords(to)))}`)
  if (withoutFile !== undefined) out.line(withoutFile)
  printKeyLine(io, client, to, chosen)
  if (file !== undefined && variables !== undefined) {
    const command = `${ownCommand(io.env)} connect ${client.name}${wordsOf(chosen)} --write`
    out.line(printable(`To keep this in ${file.path(homeOf(io.env))}, run: ${command}`))
  }
}

function withShellWords(to: Destination): Destination {
  return { ...to, model: shellWord(to.model) }
}

/** Where a key is needed, the client's own variable has it. */
function variablesFor(
  { keyVariable }: Client,
  { needsKey }: Destination,
  variables: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const { [keyVariable]: _none, ...others } = variables
  return needsKey ? others : variables
}

/** Options as words of a shell, each with a space in front. */
function wordsOf({ config, url, model }: DestinationOptions): string {
  return Object.entries({ config, url, model })
    .flatMap(([name, value]) => (value === undefined ? [] : ` --${name} ${shellWord(value)}`))
    .join('')
}

function printKeyLine(
  { stdout, env }: CommandIo,
  { name, keyVariable }: Client,
  { needsKey }: Destination,
  { config }: DestinationOptions,
): void {
  if (!needsKey) return
  const command = `${ownCommand(env)} key create ${name}${wordsOf({ config })}`
  new Output(stdout, env).line(
    printable(
      `The gateway requires a key. Make one with: ${command}; and have it in the client's environment as ${keyVariable}.`,
    ),
  )
}

async function write(
  io: EditIo,
  client: Client,
  to: Destination,
  options: ConnectOptions,
  nowMs: number,
): Promise<number> {
  const { isDryRun, yes } = options
  const [out, err] = [new Output(io.stdout, io.env), new Output(io.stderr, io.env)]
  const { file, title } = client
  if (file === undefined) {
    err.line(`error: there is no file to write for ${title}. ${client.withoutFile ?? ''}`)
    printLines(io, client, to, options)
    return 1
  }
  const name = file.path(homeOf(io.env))
  const before = readForEdit(name)
  const refuse = (reason: string) => {
    err.line(`error: ${printable(name)} ${reason}. What belongs in it:`)
    const fresh = file.edit('', to)
    const lines = fresh.kind === 'edited' ? fresh.text.trimEnd().split('\n') : []
    for (const line of lines) err.line(`  ${printable(line)}`)
    return 1
  }
  if (before.kind === 'refused') return refuse(before.reason)
  const text = before.kind === 'read' ? before.text : ''
  const edited = file.edit(text, to)
  if (edited.kind === 'refused') return refuse(edited.reason)
  if (edited.text === text) {
    out.line(`${printable(name)} leads ${title} to ${to.url} already; nothing was changed.`)
    printKeyLine(io, client, to, options)
    return 0
  }
  out.line(`${printable(name)}${before.kind === 'absent' ? ' (new)' : ''}:`)
  const alone = file.edit('', to)
  const own = alone.kind === 'edited' ? alone.text : ''
  printDiff(io, { before: text, after: edited.text, own }, name.endsWith('.toml') ? 'toml' : 'json-or-yaml')
  for (const note of edited.notes ?? []) out.line(printable(note))
  if (isDryRun) {
    out.line('Nothing was changed (--dry-run).')
    return 0
  }
  if (!yes && !(await isConfirmed(io, `Write ${printable(name)}?`))) return 1
  const written = writeChange({ name, before, after: edited.text, mode: 0o600 }, stampOf(nowMs))
  if ('fault' in written) {
    err.line(`error: ${written.fault}`)
    return 1
  }
  const copy = written.copy === '' ? '' : ` The file as it was: ${printable(written.copy)}.`
  out.line(`Wrote ${printable(name)}.${copy}`)
  printKeyLine(io, client, to, options)
  if (client.start !== undefined) out.line(`Start it with: ${printable(client.start(withShellWords(to)))}`)
  return 0
}

export interface ListedClient {
  readonly name: string
  readonly title: string
  /** The path of its program; null: none was found in PATH. */
  readonly program: string | null
  /** Its program is there, or its folder. */
  readonly is_installed: boolean
  readonly file: string | null
  /** Whether the file names the gateway's address; null: there is no file to look into. */
  readonly is_connected: boolean | null
}

/** Prints the clients. @returns the exit status: 0. */
export async function connectListCommand(
  io: CommandIo,
  options: DestinationOptions & { readonly json: boolean },
): Promise<number> {
  const found = await findDestination({ ...options, model: options.model ?? 'any' }, io.env)
  const url = found.kind === 'found' ? found.to.url : undefined
  const listed = listClients(io.env, url)
  const out = new Output(io.stdout, io.env)
  if (options.json) {
    out.json({ url: url ?? null, clients: listed })
    return 0
  }
  const rows = listed.map(({ name, title, program, is_installed, file, is_connected }) => [
    name,
    title,
    is_installed ? printable(program ?? 'yes') : '-',
    is_connected === true
      ? `connected (${printable(file ?? '')})`
      : printable(file ?? 'variables of its environment'),
  ])
  printTable(out, { head: ['client', 'name', 'installed', 'settings'], rows })
  out.line(`Run ${ownCommand(io.env)} connect CLIENT for the lines, with --write to change its file.`)
  return 0
}

/** @param url of the gateway; undefined: it is not known. */
export function listClients(env: NodeJS.ProcessEnv, url: string | undefined): ListedClient[] {
  const home = homeOf(env)
  return clients.map(({ name, title, programs, folders = [], file }) => {
    const program = programs.map((each) => findProgram(each, env)).find((path) => path !== undefined) ?? null
    const path = file?.path(home) ?? null
    const isInstalled = program !== null || folders.some((folder) => existsSync(join(home.home, folder)))
    return { name, title, program, is_installed: isInstalled, file: path, is_connected: names(path, url) }
  })
}

function names(path: string | null, url: string | undefined): boolean | null {
  if (path === null || url === undefined) return null
  const read = readForEdit(path)
  return read.kind === 'read' && read.text.includes(url)
}

function findProgram(name: string, { PATH: path = '' }: NodeJS.ProcessEnv): string | undefined {
  const folders = path.split(delimiter).filter(isAbsolute)
  return folders.map((folder) => join(folder, name)).find(isProgram)
}

function isProgram(path: string): boolean {
  try {
    const status = statSync(path)
    return status.isFile() && (status.mode & 0o111) !== 0
  } catch {
    return false
  }
}

function homeOf(env: NodeJS.ProcessEnv): Home {
  const home = env['HOME'] || homedir()
  const config = env['XDG_CONFIG_HOME']
  return { home, config: config?.startsWith('/') === true ? config : join(home, '.config'), env }
}
