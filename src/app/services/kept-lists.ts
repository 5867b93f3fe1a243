// Keeps over a restart which models were listed by servers that are started when they are called: one small JSON file, replaced whole
// when a list has changed. It is a convenience: where it can't be read, a server's models are known once it runs.
import { createHash } from 'node:crypto'
import { isObject, membersOf } from '../../bytes/json/parse.ts'
import type { HttpProvider } from '../../config/provider-types.ts'
import { type ListedModel, maxListedNames } from '../../dialects/openai/model-list.ts'
import { maxModelNameLength } from '../../dialects/request.ts'
import { StateFile } from '../../platform/state-file.ts'
import { StateWriter } from '../../platform/state-writer.ts'
import { readValue } from '../../platform/state-version.ts'
import { serverOf } from '../format-findings.ts'

export interface KeptList {
  /** Whose list it is: `serverOfService`. */
  readonly server: string
  readonly models: readonly ListedModel[]
}

/** By provider. */
export type KeptLists = ReadonlyMap<string, KeptList>

/**
 * What a list is about: another address, unit or command has other models. Undefined: the provider has no service. Holds nothing of the
 * command itself.
 */
export function serverOfService(
  config: Pick<HttpProvider, 'kind' | 'origin' | 'basePath' | 'query' | 'service'>,
): string | undefined {
  const { service } = config
  if (service === undefined) return undefined
  const { unit, run } = service
  const command = run === undefined ? [] : [run.command, [...run.environment], run.workingDirectory]
  const parts = JSON.stringify([serverOf(config), unit, ...command])
  return createHash('sha256').update(parts).digest('hex')
}

interface KeptListsFileParts {
  /** As for the limits' counters. Created, for this user alone, when missing. */
  readonly directory: string
  readonly lists: () => KeptLists
  /** Called for each failed read and write. */
  readonly onFault: (cause: Error) => void
}

const version = 1

/** Of providers in the file. */
const maxProviders = 256

/** Of one list, as text. Longer ones are not kept. */
const maxListChars = 1_048_576

/** Of all lists together. */
const maxFileChars = 8_388_608

export class KeptListsFile {
  readonly #parts: KeptListsFileParts
  readonly #file: StateFile
  readonly #writer: StateWriter

  constructor(parts: KeptListsFileParts) {
    this.#parts = parts
    this.#file = new StateFile(parts.directory, 'model-lists.json')
    const text = () => textOf(parts.lists())
    this.#writer = new StateWriter({ file: this.#file, text, onFault: parts.onFault })
  }

  /** What the last process has written; empty if there is nothing. */
  load(): KeptLists {
    const read = readValue(this.#file, { current: version, maxChars: 2 * maxFileChars })
    if (read.kind === 'unreadable') this.#parts.onFault(new Error(`${this.#file.path} ${read.reason}`))
    return read.kind === 'read' ? listsOf(read.value) : new Map()
  }

  /** A list has changed: it will be in the file soon. */
  touch(): void {
    this.#writer.touch()
  }

  /** Resolves when everything is written. */
  stop(): Promise<void> {
    return this.#writer.stop()
  }
}

/** With as many lists as there is room for. */
function textOf(lists: KeptLists): string {
  const texts: string[] = []
  let room = maxFileChars
  for (const [name, list] of lists) {
    const text = `${JSON.stringify(name)}:${JSON.stringify(list)}`
    if (texts.length >= maxProviders || text.length > Math.min(maxListChars, room)) continue
    room -= text.length
    texts.push(text)
  }
  return `{"version":${version},"providers":{${texts.join(',')}}}`
}

/** The well-formed lists of a file. */
function listsOf(value: unknown): KeptLists {
  const { providers } = membersOf(value)
  const entries = Object.entries(membersOf(providers)).slice(0, maxProviders)
  return new Map(entries.filter((entry): entry is [string, KeptList] => isList(entry[1])))
}

function isList(value: unknown): value is KeptList {
  const { server, models } = membersOf(value)
  if (typeof server !== 'string' || !Array.isArray(models) || models.length > maxListedNames) return false
  return models.every(isModel)
}

function isModel(value: unknown): value is ListedModel {
  const { id, aliases, facts, hasLooseName } = membersOf(value)
  if (!isName(id) || !Array.isArray(aliases) || !aliases.every(isName)) return false
  return (facts === undefined || isFacts(facts)) && (hasLooseName === undefined || hasLooseName === true)
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= maxModelNameLength
}

function isFacts(value: unknown): boolean {
  return isObject(value) && Object.values(value).every((each) => isFact(each) || isFacts(each))
}

function isFact(value: unknown): boolean {
  if (Array.isArray(value)) return value.every((each) => typeof each === 'string')
  return typeof value === 'number' || typeof value === 'boolean' || typeof value === 'string'
}
