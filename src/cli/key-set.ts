// `llm-gateway key set NAME`: changes what a key may use. What is not mentioned stays.
import type { KeyRecord } from '../clients/keys/key-record.ts'
import { withKey } from '../clients/keys/key-changes.ts'
import { changeAndReport, fail, findKey, keyEvent, type KeyParts, usageStatus } from './key-command.ts'
import { limitsText, modelsText } from './key-description.ts'
import { nameFault, readOptions, type TypedOptions, withTerms } from './key-options.ts'
import { type CommandIo, Output } from './output.ts'
import { printable } from '../platform/printable.ts'

/** @returns the exit status: 0 when the change is in force, or will be at the gateway's start. */
export async function keySetCommand(
  io: CommandIo,
  parts: KeyParts,
  name: string,
  { config, ...typed }: TypedOptions & { readonly config?: string },
): Promise<number> {
  const read = readOptions(typed, parts.wallNow())
  const fault = 'fault' in read ? read.fault : nameFault(name)
  if ('fault' in read || fault !== undefined) return fail(io, fault ?? '', usageStatus)
  const options = read.value
  if (Object.keys(options).length === 0)
    return fail(
      io,
      'name what to change: --models, --rpm, --tpm, --parallel, --budget, --expires, …',
      usageStatus,
    )
  return changeAndReport<KeyRecord>(io, parts, {
    config,
    stream: io.stdout,
    isWidening: true,
    event: (key) => keyEvent('key.changed', key),
    change: (keys) => {
      const found = findKey(keys, name)
      if ('message' in found) return { kind: 'refused', message: found.message }
      const result = withTerms(found.key, options)
      return { kind: 'changed', keys: withKey(keys, result), result }
    },
    report: (key) => {
      const limits = limitsText(key)
      new Output(io.stdout, io.env).line(
        printable(
          `"${name}" may use ${modelsText(key)}${limits === '' ? ', without limits' : `, with ${limits}`}.`,
        ),
      )
    },
  })
}
