// Keeps over a restart which models were listed by servers that are started when they are called: one small JSON file, replaced whole
// when a list has changed. It is a convenience: where it can't be read, a server's models are known once it runs.
import { createHash } from 'node:crypto'
import { isObject, membersOf } from '../../bytes/json/parse.ts'
import type { HttpProvider } from '../../config/provider-types.ts'
import { maxListedNames } from '../../dialects/openai/model-list.ts'
import { maxModelNameLength } from '../../dialects/request.ts'
import type { ListedModel } from '../../domain.ts'
import { StateDocument, type StateDocumentParts } from '../../platform/state-document.ts'
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

interface KeptListsFileParts extends Pick<StateDocumentParts<KeptLists>, 'directory' | 'onFault'> {
  readonly lists: () => KeptLists
}

const version = 1

/** Of providers in the file. */
const maxProviders = 256

/** Of one list, as text. Longer ones are not kept. */
const maxListChars = 1_048_576

/** Of all lists together. */
const maxFileChars = 8_388_608

export class KeptListsFile extends StateDocument<KeptLists> {
  constructor({ lists, ...parts }: KeptListsFileParts) {
    super({
      ...parts,
      name: 'model-lists.json',
      format: { current: version, maxChars: 2 * maxFileChars },
      content: lists,
      textOf,
      contentOf: listsOf,
    })
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
