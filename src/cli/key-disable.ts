// `llm-gateway key disable NAME` and `key enable NAME`: no new calls with a key for a while. Running ones end as they would.
import type { KeyRecord } from '../clients/keys/key-record.ts'
import { withKey } from '../clients/keys/key-changes.ts'
import { changeAndReport, fail, findKey, keyEvent, type KeyParts, usageStatus } from './key-command.ts'
import { nameFault } from './key-options.ts'
import { type CommandIo, Output } from './output.ts'

/** @returns the exit status: 0, also for a key that was so before. */
export async function keyDisableCommand(
  io: CommandIo,
  parts: KeyParts,
  name: string,
  { config, isDisabled }: { readonly config: string | undefined; readonly isDisabled: boolean },
): Promise<number> {
  const fault = nameFault(name)
  if (fault !== undefined) return fail(io, fault, usageStatus)
  return changeAndReport<KeyRecord | undefined>(io, parts, {
    config,
    stream: io.stdout,
    isWidening: !isDisabled,
    event: (key) => key && keyEvent(isDisabled ? 'key.disabled' : 'key.enabled', key),
    change: (keys) => {
      const found = findKey(keys, name)
      if ('message' in found) return { kind: 'refused', message: found.message }
      if (found.key.isDisabled === isDisabled) return { kind: 'unchanged', result: undefined }
      return { kind: 'changed', keys: withKey(keys, { ...found.key, isDisabled }), result: found.key }
    },
    report: () => new Output(io.stdout, io.env).line(`"${name}" is ${isDisabled ? 'disabled' : 'enabled'}.`),
  })
}
