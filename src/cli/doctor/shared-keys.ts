// Checks the keys that machines share: what list the gateway has in force, and why it has not taken what the store holds.
import { existsSync } from 'node:fs'
import { askControl } from '../control-client.ts'
import { isPulled, type KeyPlace } from '../key-place.ts'
import { describeSharedKeys } from '../key-sharing.ts'
import type { Finding } from './finding.ts'

const subject = 'shared keys'

export async function examineSharedKeys(
  place: KeyPlace,
  { env, command }: { readonly env: NodeJS.ProcessEnv; readonly command: string },
): Promise<Finding[]> {
  const { sharedKeys, mode, path, configFile } = place
  if (sharedKeys === undefined || mode === 'off') return []
  const findings: Finding[] = []
  if (isPulled(place) && existsSync(path)) {
    const detail = `${path} is not used: the keys of this machine are those that another one signs`
    const fix = 'remove the file, or set sign_keys_with where it is to count'
    findings.push({ subject, state: 'warn', detail, fix })
  }
  const where = sharedKeys.isSigner ? '' : ' on the machine that has sign_keys_with'
  const publish = `${command} key publish${where}`
  const answer = await askControl(env, 'GET /-/keys/shared', configFile)
  if (answer.kind === 'absent') return findings
  if (answer.kind === 'failed') return [...findings, { subject, state: 'warn', detail: answer.message }]
  const { fault, stopped, generation } = answer.body
  if (stopped === true) {
    const detail = 'no key is valid: the key file, or the copy of the list, was removed'
    findings.push({ subject, state: 'fail', detail, fix: publish })
  } else if (Number(generation) === 0) {
    const detail = 'no key is valid: no signed list has come from the store'
    findings.push({ subject, state: 'fail', detail, fix: publish })
  } else if (typeof fault === 'string') {
    const detail = `the list in the store ${fault}; generation ${Number(generation)} stays in force`
    findings.push({ subject, state: 'warn', detail, fix: publish })
  } else findings.push({ subject, state: 'ok', detail: describeSharedKeys(answer.body) })
  return findings
}
