// What `llm-gateway complete KIND` prints for the completion of shells. It reads the configuration file, the names of stored
// keys, and no value of any: neither variables nor credentials nor stored secrets. What cannot be read completes nothing,
// because a shell has no place for the reason; the command itself will report it.
import { type JsonObject, membersOf } from '../../bytes/json/parse.ts'
import { keyFileRules, parseKeyFile } from '../../clients/keys/key-file.ts'
import { readDocument } from '../../config/document.ts'
import { findConfigFile, findKeyFile, packageAccounts, packagedConfigFile } from '../../config/find.ts'
import { secretPlaces } from '../../config/stored-secrets.ts'
import { storedNames } from '../../config/stored-names.ts'
import { readTrustedFile } from '../../config/trusted-file.ts'
import { systemAccounts } from '../../platform/ownership.ts'
import { printable } from '../../platform/printable.ts'
import { listCredentials } from '../../systemd/credentials.ts'
import { serviceUnit, servicesUnit } from '../../systemd/scope.ts'
import { listSecretFiles } from '../../vault/secret-files.ts'
import { chosenPaths, type ScopeOptions } from '../chosen-paths.ts'
import type { NameKind } from '../command-tree.ts'
import { secretsSection } from '../secret-setting.ts'

export interface CompleteOptions extends ScopeOptions {
  readonly config?: string
}

interface Place {
  readonly file: string
  readonly root: JsonObject
  readonly options: CompleteOptions
  readonly env: NodeJS.ProcessEnv
}

const maxConfigBytes = 1024 * 1024

/** Sorted, each once; names that would move a cursor or begin a line are left out. */
export function completableNames(kind: NameKind, options: CompleteOptions, env: NodeJS.ProcessEnv): string[] {
  const file = findConfigFile(options.config, env)
  let names: readonly string[]
  try {
    names = namesOf[kind]({ file, root: readRoot(file), options, env })
  } catch {
    // A directory that this user may not list.
    return []
  }
  return [...new Set(names)].filter((name) => name !== '' && printable(name) === name).sort()
}

function readRoot(file: string): JsonObject {
  const accounts = file === packagedConfigFile() ? packageAccounts() : systemAccounts()
  const read = readTrustedFile(file, { maxBytes: maxConfigBytes, isSecret: false }, accounts)
  if (read.kind !== 'read') return {}
  const document = readDocument(read.text)
  return document.kind === 'read' ? membersOf(document.value) : {}
}

function aliasesOf(model: unknown): readonly string[] {
  const { aliases } = membersOf(model)
  return Array.isArray(aliases) ? aliases.filter((name) => typeof name === 'string') : []
}

const namesOf: Readonly<Record<NameKind, (place: Place) => readonly string[]>> = {
  credentials: ({ root, options, env }) => [
    ...Object.keys(membersOf(root['providers'])),
    ...listCredentials(chosenPaths(options, env).credentialsDirectory).map(({ name }) => name),
  ],
  keys: ({ file, root }) => {
    const { file: named } = membersOf(root['keys'])
    const path = findKeyFile(file, typeof named === 'string' ? named : undefined)
    const read = readTrustedFile(path, keyFileRules, systemAccounts())
    const parsed = read.kind === 'read' ? parseKeyFile(read.text) : undefined
    return parsed?.kind === 'parsed' ? parsed.file.keys.map(({ name }) => name) : []
  },
  models: ({ root }) =>
    Object.entries(membersOf(root['models']))
      .flatMap(([name, model]) => [name, ...aliasesOf(model)])
      .filter((name) => !name.includes('*')),
  providers: ({ root }) => Object.keys(membersOf(root['providers'])),
  secrets: ({ file, root, env }) => {
    const section = secretsSection(root)
    const stored = section === undefined ? [] : listSecretFiles(secretPlaces(section, file, env).directory)
    return [...storedNames(root), ...stored.map(({ name }) => name)]
  },
  services: ({ root }) =>
    Object.entries(membersOf(root['providers']))
      .filter(([, provider]) => membersOf(provider)['service'] !== undefined)
      .map(([name]) => name),
  units: ({ root }) => [
    serviceUnit,
    servicesUnit,
    ...Object.values(membersOf(root['providers']))
      .map((provider) => membersOf(membersOf(provider)['service'])['unit'])
      .filter((unit) => typeof unit === 'string'),
  ],
  sinks: ({ root }) => Object.keys(membersOf(membersOf(root['notify'])['sinks'])),
}
