// Checks the keys of clients: a file that the gateway refuses, or has not loaded, leaves other keys in force than it names.
import type { Accounts } from '../../platform/ownership.ts'
import { stateOf } from '../key-description.ts'
import { readKeys } from '../key-file-access.ts'
import { describeForce } from '../key-force.ts'
import { findKeyPlace, isPulled, readPulledKeys } from '../key-place.ts'
import { counted } from '../output.ts'
import type { Finding } from './finding.ts'

const subject = 'keys of clients'

const maxFaults = 5

/** @param config the configuration, beside which the keys are. */
export function examineKeys(
  config: string,
  env: NodeJS.ProcessEnv,
  { accounts, nowMs, command }: { accounts: Accounts; nowMs: number; command: string },
): Finding[] {
  const place = findKeyPlace(config, env)
  if ('message' in place) return []
  const read = isPulled(place) ? readPulledKeys(place, env) : readKeys(place.path, accounts)
  if (read.kind === 'refused')
    return read.messages.slice(0, maxFaults).map((detail) => ({ subject, state: 'fail', detail }))
  const { keys, generation } = read.file
  if (keys.length === 0) {
    // Of keys that another machine signs, doctor/shared-keys.ts says why.
    if (place.mode === 'off' || isPulled(place)) return []
    const detail = `there are no keys in ${place.path}: nobody has a valid one`
    return [{ subject, state: 'warn', detail, fix: `${command} key create NAME` }]
  }
  const valid = keys.filter((key) => stateOf(key, nowMs) === 'valid').length
  const { isAsInFile, text } = describeForce(place, generation, env)
  const detail = `${counted(keys.length, 'key')}, ${valid} of them valid; ${text}`
  return [{ subject, state: isAsInFile ? 'ok' : 'fail', detail }]
}
