// Signs the key file and puts it in force on all machines: through the gateway that runs here, which has the connection, or over
// one of this command's own. The private key stays in this process.
import { randomBytes } from 'node:crypto'
import { openKeyList } from '../admission/stores/valkey/list-access.ts'
import { StoreFault } from '../admission/stores/valkey/store-fault.ts'
import {
  describeHead,
  digestOfSigned,
  formatSignedKeys,
  maxSignedBytes,
  parseSignedKeys,
  privateKeyOf,
  publicPart,
  type SignedKeys,
  signKeys,
  verifySigned,
} from '../clients/keys/signed-keys.ts'
import { keyFileRules } from '../clients/keys/key-file.ts'
import { openConfig } from '../config/load.ts'
import { findSecret } from '../config/secrets.ts'
import type { SharedStore } from '../config/store-types.ts'
import { readStoreUrl } from '../config/store-url.ts'
import { readTrustedFile } from '../config/trusted-file.ts'
import type { Accounts } from '../platform/ownership.ts'
import { systemClock } from '../platform/clock.ts'
import { askControl } from './control-client.ts'
import { changeKeys, readKeys } from './key-file-access.ts'
import type { KeyPlace, WaitParts } from './key-place.ts'

export interface PublicationParts extends WaitParts {
  /** Milliseconds since 1970. */
  readonly wallNow: () => number
  readonly accounts: Accounts
  readonly env: NodeJS.ProcessEnv
}

export type Publication =
  | {
      readonly kind: 'published'
      readonly generation: number
      /** Of the gateway of this machine. Undefined: none has taken part. */
      readonly here: { readonly threads: number; readonly ended: number } | undefined
      /** Machines that have it in force, and all that are there. */
      readonly inForce: number
      readonly machines: number
      readonly afterMs: number
      /** Why the store does not have it yet. Undefined: it has. */
      readonly waitsFor: string | undefined
    }
  | { readonly kind: 'failed'; readonly message: string }

interface Signer {
  readonly store: SharedStore
  readonly sign: (file: string, generation: number) => SignedKeys
}

/** Each time, another machine may have published one more. */
const attempts = 4

/** Publishes the key file as it is; where its generation was there before, as the next one. */
export async function publishKeys(place: KeyPlace, parts: PublicationParts): Promise<Publication> {
  const signer = await openSigner(place, parts)
  if ('message' in signer) return { kind: 'failed', message: signer.message }
  const startMs = parts.now()
  for (let attempt = 1; ; attempt++) {
    const signed = signFile(place, signer, parts)
    if ('message' in signed) return { kind: 'failed', message: signed.message }
    const done =
      (await publishThroughGateway(place, signed, parts)) ?? (await publishDirectly(signer, signed, parts))
    if (done.kind === 'failed') return done
    if (done.kind === 'published') return { ...done, afterMs: Math.round(parts.now() - startMs) }
    if (attempt === attempts)
      return { kind: 'failed', message: 'other machines publish at the same time; try again' }
    const next = await changeKeys(place.path, { ...parts, after: done.newest }, (keys) => ({
      kind: 'changed',
      keys,
      result: undefined,
    }))
    if (next.kind === 'refused') return { kind: 'failed', message: next.messages[0]! }
  }
}

async function openSigner(
  { configFile }: KeyPlace,
  { env, accounts, wallNow }: PublicationParts,
): Promise<Signer | { readonly message: string }> {
  const loaded = await openConfig(configFile, {
    env,
    accounts,
    withSigningKey: true,
    mayLackSecrets: true,
    withoutPriceList: true,
  })
  if (!loaded.ok) {
    const [problem] = loaded.problems
    return { message: `${configFile}: ${problem?.message ?? 'cannot be loaded'}` }
  }
  const { store } = loaded.config
  const reference = loaded.raw.rate_limit_settings?.store?.sign_keys_with
  if (store.kind === 'memory' || reference === undefined)
    return { message: 'this machine signs no keys: rate_limit_settings.store has no sign_keys_with' }
  if (store.signKeysWith === undefined) {
    const found = findSecret(reference, { env, accounts })
    const reason = found.kind === 'found' ? 'it is not an Ed25519 private key' : found.message
    return { message: `the key that signs (sign_keys_with) cannot be read: ${reason}` }
  }
  const key = privateKeyOf(store.signKeysWith.reveal())
  const own = publicPart(key)
  if (!store.keysSignedBy.includes(own))
    return { message: `keys_signed_by does not have the public key of sign_keys_with: add ${own}` }
  const { prefix } = store
  return { store, sign: (file, generation) => signKeys(file, { generation, prefix, atMs: wallNow(), key }) }
}

function signFile(
  { path }: KeyPlace,
  { sign }: Signer,
  { accounts }: PublicationParts,
): SignedKeys | { readonly message: string } {
  const read = readKeys(path, accounts)
  if (read.kind === 'refused') return { message: read.messages[0]! }
  const file = readTrustedFile(path, keyFileRules, accounts)
  if (file.kind !== 'read') return { message: `there is no ${path}` }
  return sign(file.text, read.file.generation)
}

type Done =
  | Exclude<Publication, { kind: 'published' }>
  | Omit<Extract<Publication, { kind: 'published' }>, 'afterMs'>
  | { readonly kind: 'not_newer'; readonly newest: number }

/** Undefined: no gateway runs here that shares keys. */
async function publishThroughGateway(
  { configFile }: KeyPlace,
  { head }: SignedKeys,
  { env }: PublicationParts,
): Promise<Done | undefined> {
  const input = { signature: describeHead(head) }
  const answer = await askControl(env, 'POST /-/keys/publish', configFile, input)
  // One that was started before the keys were to be shared.
  if (answer.kind !== 'answered') return undefined
  const { body } = answer
  if (typeof body['newest'] === 'number') return { kind: 'not_newer', newest: body['newest'] }
  if (typeof body['refused'] === 'string') return { kind: 'failed', message: body['refused'] }
  const { threads, streams_ended: ended, in_force: inForce, machines, waits_for: waitsFor } = body
  return {
    kind: 'published',
    generation: head.generation,
    here: { threads: Number(threads), ended: Number(ended) },
    inForce: Number(inForce),
    machines: Number(machines),
    waitsFor: typeof waitsFor === 'string' ? waitsFor : undefined,
  }
}

/** How long the machines may take to have it in force, in milliseconds. */
const othersMs = 2_000
const othersPollMs = 50

async function publishDirectly(
  { store }: Signer,
  signed: SignedKeys,
  { sleep }: PublicationParts,
): Promise<Done> {
  const { url, ca, prefix } = store
  const failed = (reason: string): Done => ({ kind: 'failed', message: reason })
  if (url === undefined)
    return failed('no gateway runs here that takes the list, and the URL of the store cannot be read')
  const read = readStoreUrl(url.reveal(), url.source)
  if (read.kind === 'refused') return failed(`the URL from ${url.source} ${read.message}`)
  const { generation } = signed.head
  try {
    const uploadId = randomBytes(8).toString('hex')
    const { setTimer } = systemClock
    const access = await openKeyList({ endpoint: read.endpoint, ca, prefix, setTimer, uploadId })
    try {
      const { list } = access
      const found = await list.look(0)
      const isValid = found.generation > 0 && (await isSignedForUs(list, found, store))
      if (isValid && found.generation >= generation) return { kind: 'not_newer', newest: found.generation }
      const text = formatSignedKeys(signed)
      const replaces = isValid || found.generation === 0 ? undefined : found.digest
      const put = await list.publish(text, { generation, digest: digestOfSigned(text), replaces })
      if (put.kind === 'newer') return { kind: 'not_newer', newest: put.generation }
      let state = await list.look(0)
      for (
        let waitedMs = 0;
        state.inForce < state.machines && waitedMs < othersMs;
        waitedMs += othersPollMs
      ) {
        await sleep(othersPollMs)
        state = await list.look(0)
      }
      const { inForce, machines } = state
      return { kind: 'published', generation, here: undefined, inForce, machines, waitsFor: undefined }
    } finally {
      access.close()
    }
  } catch (error) {
    if (error instanceof StoreFault) return failed(`the store cannot be used: ${error.message}`)
    throw error
  }
}

async function isSignedForUs(
  list: Awaited<ReturnType<typeof openKeyList>>['list'],
  found: Awaited<ReturnType<typeof list.look>>,
  { prefix, keysSignedBy: trusted }: SharedStore,
): Promise<boolean> {
  const read = await list.read(found, 0, maxSignedBytes)
  const signed = read !== undefined && 'text' in read ? parseSignedKeys(read.text) : undefined
  if (signed?.head.generation !== found.generation) return false
  return verifySigned(signed, { prefix, trusted }).kind === 'valid'
}
