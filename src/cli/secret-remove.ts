// `llm-gateway secret remove NAME`: removes a stored secret.
import { printable } from '../platform/printable.ts'
import { isSecretName, removeSecretFile } from '../vault/secret-files.ts'
import { recordAfterwards } from './audit-record.ts'
import { Output } from './output.ts'
import { changing, findSetting, type SecretParts } from './secret-setting.ts'

/** @returns the exit status: 0 when it is removed, 1 when there is none. */
export async function secretRemoveCommand(parts: SecretParts, name: string): Promise<number> {
  const { io } = parts
  const setting = findSetting(parts)
  if (setting === undefined) return 1
  const { directory } = setting.places
  return changing(setting, async () => {
    if (!isSecretName(name) || !removeSecretFile(directory, name)) {
      const message = `No secret ${printable(name)} is stored in ${printable(directory)}.`
      new Output(io.stderr, io.env).line(message)
      return 1
    }
    const out = new Output(io.stdout, io.env)
    out.line(`Removed ${name}. A running gateway has it until its next reload.`)
    const users = setting.references.filter(({ secret }) => secret === name).map(({ provider }) => provider)
    if (users.length > 0) {
      out.line(printable(`The configuration still refers to it, for ${[...new Set(users)].join(', ')}.`))
    }
    const event = { name: 'secret.removed', attributes: { 'secret.name': name } } as const
    await recordAfterwards(io, event, setting.audit)
    return 0
  })
}
