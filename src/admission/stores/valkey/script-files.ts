// The scripts that the server runs for us, each atomically; epoch.lua stands before each of them. They lie beside this file, and in the package beside the bundle.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

const scriptNames = [
  'answer',
  'ask',
  'collect',
  'exchange',
  'forget',
  'join',
  'leave',
  'look',
  'publish-keys',
  'read-keys',
  'read-question',
] as const

export type ScriptName = (typeof scriptNames)[number]

export interface Script {
  readonly name: ScriptName
  readonly source: string
  /** SHA-1 in hex, by which the server knows it (`EVALSHA`). */
  readonly hash: string
}

const folder = new URL(import.meta.url.endsWith('.ts') ? './' : 'valkey/', import.meta.url)

/** @throws when a file of the installation is missing. */
export function readScripts(): ReadonlyMap<ScriptName, Script> {
  const read = (name: string) => readFileSync(new URL(`${name}.lua`, folder), 'utf8')
  const common = read('epoch')
  return new Map(
    scriptNames.map((name) => {
      const source = `${common}\n${read(name)}`
      return [name, { name, source, hash: createHash('sha1').update(source).digest('hex') }]
    }),
  )
}
