// The check of identities by the configuration.
import type { IncomingMessage } from 'node:http'
import type { KeySets } from '../clients/identity/key-set.ts'
import { IdentityCheck } from '../clients/identity/identity-check.ts'
import { tailnetWatch } from '../clients/identity/tailnet.ts'
import type { IdentityConfig } from '../config/types.ts'
import type { Client } from '../domain.ts'
import type { Clock } from '../platform/clock.ts'
import { systemUsers } from '../platform/unix-users.ts'
import { uidsOf } from '../server/peer/peer-user.ts'

interface IdentityParts {
  readonly clock: Pick<Clock, 'now' | 'wallNow'>
  readonly keySets: KeySets
  /** The client without regard to identities and keys. */
  readonly clientOf: (request: IncomingMessage) => Client
}

/**
 * Undefined: there are no identities.
 * @throws StartError when a source names a user that does not exist here.
 */
export function identityCheckOf(
  identity: IdentityConfig,
  { clock, keySets, clientOf }: IdentityParts,
): IdentityCheck | undefined {
  if (identity.sources.length === 0) return undefined
  const users = systemUsers()
  const accounts = { users, ownUid: process.getuid?.() ?? 0 }
  const idOfUser = (name: string) => {
    const [uid] = uidsOf('identity.sources', [name], accounts)
    return `user:${users.nameOf(uid!) ?? uid}`
  }
  return new IdentityCheck(identity, {
    now: clock.now,
    wallNow: clock.wallNow,
    keySets,
    clientOf,
    idOfUser,
    hasTailnetAddress: tailnetWatch(clock.now),
  })
}
