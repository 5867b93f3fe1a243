// Rules about keys, and about the clients that entries of `clients:` match.
import { cidrFault } from './addresses.ts'
import { accountProblems, type LocalUsers } from './check-users.ts'
import { defaults } from './defaults.ts'
import { type PathProblem, quoted } from './problems.ts'
import type { RawConfig } from './raw.ts'

export function* keyProblems({ keys = {}, access }: RawConfig, accounts: LocalUsers): Generator<PathProblem> {
  const users = keys.keyless_users ?? []
  for (const [index, name] of users.entries()) {
    const path = ['keys', 'keyless_users', index]
    if (name === 'any') {
      const message = '"any" would exempt every local program from keys'
      yield { path, message, hint: 'name the users, or set keys.mode to optional' }
    } else yield* accountProblems(name, path, accounts)
  }
  const allowed = access?.allowed_users ?? defaults.access.allowed_users
  if (users.length === 0 || !allowed.some((name) => name === 'any')) return
  yield {
    path: ['keys', 'keyless_users'],
    message:
      'has no effect on the TCP port: with access.allowed_users [any], the gateway does not look up the users of connections',
    hint: 'list the users in access.allowed_users',
    severity: 'warning',
  }
}

export function* clientProblems({ clients = {} }: RawConfig): Generator<PathProblem> {
  for (const pattern of Object.keys(clients)) {
    const path = ['clients', pattern]
    const stars = pattern.split('*').length - 1
    if (stars > 1) {
      yield { path, message: `${quoted(pattern)} has several *`, hint: 'write one, for any text', at: 'key' }
    } else if (stars === 0 && pattern.startsWith('ip:')) {
      const fault = cidrFault(pattern.slice('ip:'.length))
      if (fault !== undefined) yield { path, ...fault, at: 'key' }
    }
  }
}
