// `llm-gateway key master set`: the master key, which may see what all clients use. There is one: this replaces it at once.
import { chosenKeyFault } from '../clients/keys/chosen-key.ts'
import { chosenSecret, newKeyId, newSecret, type NewSecret, withKey } from '../clients/keys/key-changes.ts'
import { secretLength } from '../clients/keys/key-format.ts'
import type { KeyRecord } from '../clients/keys/key-record.ts'
import type { CredentialIo } from './credential-set.ts'
import { changeAndReport, fail, keyEvent, type KeyParts, usageStatus } from './key-command.ts'
import { type NewKeyOptions, prefixProblem, whereKey } from './key-create.ts'
import { readOptions } from './key-options.ts'
import { openKeyOutput, type KeyOutput } from './key-output.ts'
import { findKeyPlace } from './key-place.ts'
import { Output } from './output.ts'
import { readSecret } from './read-secret.ts'

export const masterName = 'master'

export interface MasterSetOptions extends NewKeyOptions {
  /** Undefined: the key is typed, or read from standard input. */
  readonly generate?: boolean
}

/** @returns the exit status: 0 when the key is the master key, and in force where a gateway runs. */
export async function keyMasterSetCommand(
  io: CredentialIo,
  parts: KeyParts,
  { config, to, generate = false, ...typed }: MasterSetOptions,
): Promise<number> {
  const nowMs = parts.wallNow()
  const read = readOptions(typed, nowMs)
  if ('fault' in read) return fail(io, read.fault, usageStatus)
  const { length = secretLength.usual, prefix } = read.value
  if (!generate && (typed.length !== undefined || to !== undefined))
    return fail(io, '--length and --to are for a key that is generated: add --generate', usageStatus)
  const place = findKeyPlace(config, io.env)
  if ('message' in place) return fail(io, place.message)
  const wrongPrefix = prefixProblem(prefix, place)
  if (wrongPrefix !== undefined) return fail(io, wrongPrefix)

  const made = generate ? newSecret(place.prefix, length, nowMs) : await chosen(io, place.prefix, nowMs)
  if ('message' in made) return fail(io, made.message)
  const output: KeyOutput | { message: string } = generate
    ? openKeyOutput(io, to, made.text)
    : { stream: io.stdout, print: () => {}, discard: () => {} }
  if ('message' in output) return fail(io, output.message)
  let isSet = false
  const status = await changeAndReport<KeyRecord>(io, parts, {
    config,
    stream: output.stream,
    isWidening: true,
    event: (key) => keyEvent('key.master_set', key, made.secret.id),
    change: (keys) => {
      const namesake = keys.find(({ name }) => name === masterName)
      const old = keys.find(({ role }) => role === 'master')
      if (namesake !== old) return { kind: 'refused', message: `a client's key has the name "${masterName}"` }
      const result = { ...(old ?? newMaster()), secrets: [made.secret], isDisabled: false }
      return { kind: 'changed', keys: withKey(keys, result), result }
    },
    report: ({ id }) => {
      isSet = true
      output.print()
      const where = generate ? ` ${whereKey(to)}` : ''
      new Output(output.stream, io.env).line(`Set the master key (${id}).${where} No other one is valid.`)
    },
  })
  if (!isSet) output.discard()
  return status
}

function newMaster(): KeyRecord {
  const terms = { name: masterName, models: undefined, budgets: [] }
  return { id: newKeyId(), name: masterName, role: 'master', secrets: [], terms, isDisabled: false, note: '' }
}

async function chosen(
  io: CredentialIo,
  prefix: string,
  nowMs: number,
): Promise<NewSecret | { readonly message: string }> {
  const text = await readSecret(io.stdin, (prompt) => io.stderr.write(prompt))
  if (text === undefined || text === '') return { message: 'no key was entered; nothing was changed' }
  const fault = chosenKeyFault(text, prefix)
  if (fault !== undefined)
    return { message: `the key ${fault}; --generate makes a good one. Nothing was changed` }
  return { text, secret: chosenSecret(text, nowMs) }
}
