// `llm-gateway key create NAME`: a key for one person or program.
import type { KeyRecord } from '../clients/keys/key-record.ts'
import { newKeyId, newSecret } from '../clients/keys/key-changes.ts'
import { secretLength } from '../clients/keys/key-format.ts'
import { printable } from '../platform/printable.ts'
import { changeAndReport, fail, keyEvent, type KeyParts, nameProblem, usageStatus } from './key-command.ts'
import { readOptions, type TypedOptions, withTerms } from './key-options.ts'
import { openKeyOutput } from './key-output.ts'
import { findKeyPlace } from './key-place.ts'
import { type CommandIo, Output } from './output.ts'

export interface NewKeyOptions extends TypedOptions {
  readonly config?: string
  readonly to?: string
}

/** @returns the exit status: 0 when the key is there, and in force where a gateway runs. */
export async function keyCreateCommand(
  io: CommandIo,
  parts: KeyParts,
  name: string,
  typed: NewKeyOptions,
): Promise<number> {
  const nowMs = parts.wallNow()
  const read = readOptions(typed, nowMs)
  const fault = 'fault' in read ? read.fault : nameProblem(name, io.env)
  if ('fault' in read || fault !== undefined) return fail(io, fault ?? '', usageStatus)
  const options = read.value
  const place = findKeyPlace(typed.config, io.env)
  if ('message' in place) return fail(io, place.message)
  const wrongPrefix = prefixProblem(options.prefix, place)
  if (wrongPrefix !== undefined) return fail(io, wrongPrefix)

  const { text, secret } = newSecret(place.prefix, options.length ?? secretLength.usual, nowMs)
  const output = openKeyOutput(io, typed.to, text)
  if ('message' in output) return fail(io, output.message)
  let isCreated = false
  const status = await changeAndReport<KeyRecord>(io, parts, {
    config: typed.config,
    stream: output.stream,
    isWidening: true,
    event: (key) => keyEvent('key.created', key, secret.id),
    change: (keys) => {
      if (keys.some((each) => each.name === name))
        return {
          kind: 'refused',
          message: `there is a key "${name}" already (key set changes it, key rotate renews it)`,
        }
      const terms = { name, models: undefined, budgets: [] }
      const empty: KeyRecord = {
        id: newKeyId(),
        name,
        role: 'client',
        secrets: [secret],
        terms,
        isDisabled: false,
        note: '',
      }
      const result = withTerms(empty, options)
      return { kind: 'changed', keys: [...keys, result], result }
    },
    report: ({ id }) => {
      isCreated = true
      output.print()
      new Output(output.stream, io.env).line(`Created the key "${name}" (${id}). ${whereKey(typed.to)}`)
    },
  })
  if (!isCreated) output.discard()
  return status
}

/** A key with another prefix would be taken for another server's. */
export function prefixProblem(
  wanted: string | undefined,
  { prefix, configFile }: { readonly prefix: string; readonly configFile: string },
): string | undefined {
  if (wanted === undefined || wanted === prefix) return undefined
  return `keys begin with ${prefix}; to change that, write keys: { prefix: ${wanted} } in ${configFile}`
}

export function whereKey(to: string | undefined): string {
  return to === undefined
    ? 'It is shown this once.'
    : `It is in ${printable(to)}, which only you may read, and nowhere else.`
}
