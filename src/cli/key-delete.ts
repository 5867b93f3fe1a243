// `llm-gateway key delete NAME`: removes a key's record. What it has used stays in the ledger.
import { changeAndReport, fail, findKey, keyEvent, type KeyParts, usageStatus } from './key-command.ts'
import { nameFault } from './key-options.ts'
import { type CommandIo, Output } from './output.ts'

/** @returns the exit status: 0 when there was such a key, and calls with it are refused. */
export async function keyDeleteCommand(
  io: CommandIo,
  parts: KeyParts,
  name: string,
  config: string | undefined,
): Promise<number> {
  const fault = nameFault(name)
  if (fault !== undefined) return fail(io, fault, usageStatus)
  return changeAndReport<string>(io, parts, {
    config,
    stream: io.stdout,
    isWidening: false,
    event: (id) => keyEvent('key.deleted', { id, name }),
    change: (keys) => {
      const found = findKey(keys, name)
      if ('message' in found) return { kind: 'refused', message: found.message }
      const { id } = found.key
      return { kind: 'changed', keys: keys.filter((each) => each.id !== id), result: id }
    },
    report: (id) => new Output(io.stdout, io.env).line(`Deleted the key "${name}" (${id}).`),
  })
}
