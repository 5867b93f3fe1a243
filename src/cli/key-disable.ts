// `llm-gateway key disable NAME` and `key enable NAME`: no new calls with a key for a while. Running ones end as they would.
import { withKey } from '../clients/keys/key-changes.ts'
import { changeAndReport, fail, findKey, type KeyParts, usageStatus } from './key-command.ts'
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
  return changeAndReport<undefined>(io, parts, {
    config,
    stream: io.stdout,
    change: (keys) => {
      const found = findKey(keys, name)
      if ('message' in found) return { kind: 'refused', message: found.message }
      if (found.key.isDisabled === isDisabled) return { kind: 'unchanged', result: undefined }
      return { kind: 'changed', keys: withKey(keys, { ...found.key, isDisabled }), result: undefined }
    },
    report: () => new Output(io.stdout, io.env).line(`"${name}" is ${isDisabled ? 'disabled' : 'enabled'}.`),
  })
}
