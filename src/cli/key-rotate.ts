// `llm-gateway key rotate NAME` and `key master rotate`: a second secret for a key, which has the same name, limits and
// budgets. The first one stays valid for a while, so that its holder can change over without a failed call.
import { newSecret, rotated, withKey } from '../clients/keys/key-changes.ts'
import { secretLength } from '../clients/keys/key-format.ts'
import type { KeyRecord } from '../clients/keys/key-record.ts'
import { changeAndReport, fail, findKey, keyEvent, type KeyParts, usageStatus } from './key-command.ts'
import { type NewKeyOptions, prefixProblem, whereKey } from './key-create.ts'
import { momentText, stateOf } from './key-description.ts'
import { nameFault, readOptions } from './key-options.ts'
import { openKeyOutput } from './key-output.ts'
import { findKeyPlace } from './key-place.ts'
import { type CommandIo, Output } from './output.ts'

const usualGraceMs = 24 * 3_600_000

/** @returns the exit status: 0 when the new secret is there, and in force where a gateway runs. */
export async function keyRotateCommand(
  io: CommandIo,
  parts: KeyParts,
  name: string,
  { config, to, ...typed }: NewKeyOptions,
): Promise<number> {
  const nowMs = parts.wallNow()
  const read = readOptions(typed, nowMs)
  const fault = 'fault' in read ? read.fault : nameFault(name)
  if ('fault' in read || fault !== undefined) return fail(io, fault ?? '', usageStatus)
  const { graceMs = usualGraceMs, length = secretLength.usual, prefix } = read.value
  const place = findKeyPlace(config, io.env)
  if ('message' in place) return fail(io, place.message)
  const wrongPrefix = prefixProblem(prefix, place)
  if (wrongPrefix !== undefined) return fail(io, wrongPrefix)

  const { text, secret } = newSecret(place.prefix, length, nowMs)
  const output = openKeyOutput(io, to, text)
  if ('message' in output) return fail(io, output.message)
  let isRotated = false
  const status = await changeAndReport<KeyRecord>(io, parts, {
    config,
    stream: output.stream,
    isWidening: true,
    event: (key) => keyEvent('key.rotated', key, secret.id),
    change: (keys) => {
      const found = findKey(keys, name)
      if ('message' in found) return { kind: 'refused', message: found.message }
      const result = rotated(found.key, secret, { graceMs, nowMs })
      if (result === undefined) return { kind: 'refused', message: twoSecrets(found.key) }
      return { kind: 'changed', keys: withKey(keys, result), result }
    },
    report: (key) => {
      isRotated = true
      output.print()
      const out = new Output(output.stream, io.env)
      const before = key.secrets.find(({ id }) => id !== secret.id)
      const ending =
        before?.untilMs === undefined
          ? 'No other secret of it is valid'
          : `Secret ${before.id} is valid until ${momentText(before.untilMs)}`
      out.line(`Rotated the key "${name}" (${key.id}). ${whereKey(to)}`)
      out.line(`${ending}; the new one is ${secret.id}.`)
      const state = stateOf(key, nowMs)
      if (state !== 'valid') out.line(`The key is ${state}: no secret of it is accepted.`)
    },
  })
  if (!isRotated) output.discard()
  return status
}

function twoSecrets({ name, secrets: [first] }: KeyRecord): string {
  const until = first?.untilMs === undefined ? '' : `, one until ${momentText(first.untilMs)}`
  return `"${name}" has two valid secrets already${until}. To end that one: key revoke ${name} --secret ${first?.id}. To end both: key rotate ${name} --grace 0`
}
