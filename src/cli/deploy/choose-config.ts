// Which configuration the box is to run with, and what the one of this machine says of keys.
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { findConfigFile, packagedConfigFile } from '../../config/find.ts'
import { secretPlaces } from '../../config/stored-secrets.ts'
import { printable } from '../../platform/printable.ts'
import { type BoxConfig, readBoxConfig } from './box-config.ts'
import { carriableKeys, type CarriedKey, withCredentials } from './carried-keys.ts'
import { isSameReference, lookUp } from './keys.ts'

/** The configuration that the box is to run with. */
export type ChosenConfig =
  /** Replaces the box's, or is its first. `from`: the file on this machine, which lacks the credentials of the `carried` keys. */
  | {
      readonly kind: 'sent'
      readonly text: string
      readonly from: string
      readonly carried: readonly CarriedKey[]
    }
  | { readonly kind: 'kept'; readonly text: string }
  /** The packaged example, which `systemd install` writes. */
  | { readonly kind: 'example'; readonly text: string }

export interface Choice {
  readonly kind: 'chosen'
  readonly chosen: ChosenConfig
  /** The file on this machine. */
  readonly configFile: string
  /** That file's, with the credentials of all keys that can be carried. Undefined: it cannot be read. */
  readonly own: BoxConfig | undefined
  /** The names of those credentials. */
  readonly carried: ReadonlySet<string>
  /** By its place, why the key of a reference without a credential is not here: a clause. */
  readonly notHere: ReadonlyMap<string, string>
}

/**
 * @param there the text on the box.
 * @param config the file that was named. Undefined: the box's own stays, and a box without one gets this machine's.
 * @returns besides, a sentence for why there is none.
 */
export async function chooseConfig(
  there: string | undefined,
  config: string | undefined,
  env: NodeJS.ProcessEnv,
): Promise<Choice | { readonly kind: 'refused'; readonly message: string }> {
  const configFile = findConfigFile(config, env)
  const isKept = config === undefined && there !== undefined
  const read = readText(configFile)
  if ('fault' in read) {
    const none = {
      configFile,
      own: undefined,
      carried: new Set<string>(),
      notHere: new Map<string, string>(),
    }
    if (isKept) return { kind: 'chosen', chosen: { kind: 'kept', text: there }, ...none }
    const message = `${printable(configFile)} cannot be read (${read.fault}). Name a configuration with --config FILE.`
    return { kind: 'refused', message }
  }
  const { text } = read
  const parsed = readBoxConfig(text)
  const carriable = parsed === undefined ? [] : carriableKeys(parsed)
  const own = parsed === undefined ? undefined : withCredentials(text, parsed, carriable).config
  const carried = new Set(carriable.map(({ credential }) => credential))
  const choice = { kind: 'chosen', configFile, own, carried } as const
  const notHere = new Map<string, string>()
  if (isKept) return { ...choice, notHere, chosen: { kind: 'kept', text: there } }
  if (config === undefined && configFile === packagedConfigFile())
    return { ...choice, notHere, chosen: { kind: 'example', text } }
  if (parsed === undefined)
    return { ...choice, notHere, chosen: { kind: 'sent', text, from: configFile, carried: [] } }
  const wanted: CarriedKey[] = []
  const former = there === undefined ? undefined : readBoxConfig(there)
  const places = secretPlaces(parsed.raw.secrets, resolve(configFile), env)
  for (const each of carriable) {
    const reference = { ...each.key.reference, credential: each.credential }
    // The box has it of an earlier deploy, with which this machine may have had the key.
    const isThere = former?.keys.some((known) => isSameReference(known.reference, reference)) === true
    const found = isThere ? undefined : await lookUp(each.key.reference, places, env)
    if (isThere || found?.kind === 'found') wanted.push(each)
    else if (found !== undefined) notHere.set(each.key.place, found.message)
  }
  const sent = withCredentials(text, parsed, wanted)
  const chosen: ChosenConfig =
    sent.text === there
      ? { kind: 'kept', text: there }
      : { kind: 'sent', text: sent.text, from: configFile, carried: sent.carried }
  return { ...choice, notHere, chosen }
}

function readText(file: string): { readonly text: string } | { readonly fault: string } {
  try {
    return { text: readFileSync(file, 'utf8') }
  } catch (error) {
    return { fault: (error as NodeJS.ErrnoException).code ?? 'unknown error' }
  }
}
