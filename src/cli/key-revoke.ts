// `llm-gateway key revoke NAME`: its secrets, or one of them, are refused from now on, and their streams are cut. The record
// with its limits stays, for `key rotate`.
import { withKey } from '../clients/keys/key-changes.ts'
import { printable } from '../platform/printable.ts'
import { changeAndReport, fail, findKey, keyEvent, type KeyParts, usageStatus } from './key-command.ts'
import { nameFault } from './key-options.ts'
import { type CommandIo, counted, Output } from './output.ts'
import { holdsKey } from './without-keys.ts'

export interface RevokeOptions {
  readonly config?: string
  /** The id of one secret. Undefined: all of the key's. */
  readonly secret?: string
}

/** @returns the exit status: 0 when they are refused, also if they were before. */
export async function keyRevokeCommand(
  io: CommandIo,
  parts: KeyParts,
  name: string,
  { config, secret }: RevokeOptions,
): Promise<number> {
  const fault = nameFault(name) ?? (secret !== undefined && holdsKey(secret) ? secretIsKey : undefined)
  if (fault !== undefined) return fail(io, fault, usageStatus)
  return changeAndReport<{ readonly id: string; readonly revoked: number; readonly left: number }>(
    io,
    parts,
    {
      config,
      stream: io.stdout,
      isWidening: false,
      event: ({ id, revoked }) => (revoked > 0 ? keyEvent('key.revoked', { id, name }, secret) : undefined),
      change: (keys) => {
        const found = findKey(keys, name)
        if ('message' in found) return { kind: 'refused', message: found.message }
        const { secrets } = found.key
        const kept = secrets.filter(({ id }) => secret !== undefined && id !== secret)
        const result = { id: found.key.id, revoked: secrets.length - kept.length, left: kept.length }
        if (result.revoked > 0)
          return { kind: 'changed', keys: withKey(keys, { ...found.key, secrets: kept }), result }
        if (secret === undefined) return { kind: 'unchanged', result }
        const ids = secrets.map(({ id }) => id).join(' and ')
        const known = ids === '' ? 'it has none' : `it has ${ids}`
        return { kind: 'refused', message: `"${name}" has no secret ${secret}; ${known}` }
      },
      report: ({ revoked, left }) => {
        const rest = left === 0 ? 'the key has none left' : 'the other one stays valid'
        const done =
          revoked === 0 ? 'was revoked before' : `is revoked: ${counted(revoked, 'secret')}; ${rest}`
        new Output(io.stdout, io.env).line(printable(`"${name}" ${done}.`))
      },
    },
  )
}

const secretIsKey = 'That is a key, not the id of a secret; key show lists the ids.'
