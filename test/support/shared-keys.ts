// Gateways that share their keys: a store, the pair of keys that signs, and what writes to the store past all gateways.
import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

import { type KeyListAccess, openKeyList } from '../../src/admission/stores/valkey/list-access.ts'
import { formatKeyFile } from '../../src/clients/keys/key-file.ts'
import type { KeyRecord } from '../../src/clients/keys/key-record.ts'
import { digestOfSigned, formatSignedKeys, publicPart, signKeys } from '../../src/clients/keys/signed-keys.ts'
import type { RawStore } from '../../src/config/raw.ts'
import { readStoreUrl } from '../../src/config/store-url.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { type TestKey } from './client-keys.ts'
import { scratchDirectory } from './config-file.ts'
import type { Setup } from './gateway-config.ts'
import { type RedisServer, startRedis } from './redis.ts'

export const prefix = 'p'

export interface Pair {
  readonly privateKey: KeyObject
  readonly publicKey: string
}

export function newPair(): Pair {
  const { privateKey } = generateKeyPairSync('ed25519')
  return { privateKey, publicKey: publicPart(privateKey) }
}

export interface SharedKeysStore extends Pair {
  readonly server: RedisServer
  readonly env: { readonly STORE_URL: string }
  /** Of a gateway that follows the list. */
  readonly member: Setup
  /** Of the one whose commands sign it. */
  readonly publisher: Setup
  /** Its key file. */
  readonly keyFile: string
}

export async function startSharedKeys(t: TestContext): Promise<SharedKeysStore> {
  const server = await startRedis(t)
  const pair = newPair()
  const folder = scratchDirectory(t)
  const signer = join(folder, 'signer.key')
  const text = pair.privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64')
  writeFileSync(signer, `${text}\n`, { mode: 0o600 })
  const url = { env: 'STORE_URL' }
  const store: RawStore = { kind: 'valkey', url, members: 3, prefix, keys_signed_by: [pair.publicKey] }
  const keyFile = join(folder, 'keys.json')
  const signing = { ...store, sign_keys_with: { file: signer } }
  return {
    ...pair,
    server,
    env: { STORE_URL: server.url },
    keyFile,
    member: { keys: { mode: 'required' }, rate_limit_settings: { per_client: {}, store } },
    publisher: {
      keys: { mode: 'required', file: keyFile },
      rate_limit_settings: { per_client: {}, store: signing },
    },
  }
}

/** A record with one secret. */
export function recordOf(name: string, { secret }: TestKey, number = 1): KeyRecord {
  return {
    id: `k_${String(number).padStart(12, '0')}`,
    name,
    role: 'client',
    secrets: [secret],
    terms: { name, models: undefined, budgets: [] },
    isDisabled: false,
    note: '',
  }
}

export interface ListToWrite {
  readonly generation: number
  readonly keys: readonly KeyRecord[]
  readonly by: KeyObject
  readonly prefix?: string
  /** As the store is told. Default: that of the list. */
  readonly told?: number
  /** What is stored in place of the text. */
  readonly change?: (text: string) => string
}

export function signedText({ generation, keys, by, prefix: of = prefix, change }: ListToWrite): string {
  const file = formatKeyFile({ generation, keys })
  const text = formatSignedKeys(signKeys(file, { generation, prefix: of, atMs: Date.now(), key: by }))
  return change === undefined ? text : change(text)
}

/** Writes to the store as whoever knows its password can: in the place of whatever is there. */
export async function overwrite(
  t: TestContext,
  { server }: Pick<SharedKeysStore, 'server'>,
  wanted: ListToWrite,
): Promise<void> {
  const { list } = await keyListOf(t, server.url)
  const text = signedText(wanted)
  await server.command('DEL', `{${prefix}}:keys`, `{${prefix}}:keys:list`)
  const generation = wanted.told ?? wanted.generation
  await list.publish(text, { generation, digest: digestOfSigned(text), replaces: undefined })
}

export async function keyListOf(t: TestContext, url: string): Promise<KeyListAccess> {
  const read = readStoreUrl(url, 'a test')
  if (read.kind === 'refused') throw new Error(read.message)
  const { setTimer } = systemClock
  const uploadId = randomBytes(8).toString('hex')
  const access = await openKeyList({ endpoint: read.endpoint, ca: undefined, prefix, setTimer, uploadId })
  t.after(() => access.close())
  return access
}
