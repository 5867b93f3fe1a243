// The guards and the look-up of clients that the configuration asks for.
import type { Config } from '../config/types.ts'
import type { Events } from '../observe/events.ts'
import { addressGuard } from '../server/guards/address.ts'
import { bodySizeGuard } from '../server/guards/body-size.ts'
import { contentCodingGuard } from '../server/guards/content-coding.ts'
import { expectGuard } from '../server/guards/expect.ts'
import type { ForwardedFor } from '../clients/forwarded-for.ts'
import { framingGuard } from '../server/guards/framing.ts'
import type { Guard } from '../server/guards/guard.ts'
import { headerCountGuard } from '../server/guards/header-count.ts'
import { hostGuard } from '../server/guards/host.ts'
import { fetchSiteGuard, originGuard } from '../server/guards/origin.ts'
import { addressIdentity, peerUserCheck, proxyUserCheck, socketOwner } from '../server/peer/peer-user.ts'
import { targetGuard } from '../server/guards/target.ts'
import { upgradeGuard } from '../server/guards/upgrade.ts'
import type { PeerIdentifiers } from '../server/listeners/tcp.ts'
import { PeerTable } from '../server/peer/peer-table.ts'
import { isStanding } from '../platform/node/getpeername.ts'
import { systemUsers } from '../platform/unix-users.ts'

/** Sorted by the order in which they run. */
export function guardsOf(
  { access, server }: Config,
  isOriginAllowed: (origin: string) => boolean,
  forwardedFor: ForwardedFor,
): readonly Guard[] {
  return [
    headerCountGuard,
    addressGuard(access.allowedIps, forwardedFor),
    hostGuard(server.allowedHosts),
    originGuard(isOriginAllowed),
    fetchSiteGuard(isOriginAllowed),
    upgradeGuard,
    expectGuard,
    targetGuard,
    framingGuard,
    contentCodingGuard,
    bodySizeGuard(server.maxRequestBodyBytes),
  ]
}

/**
 * How the clients of connections are identified, by listener.
 * @throws StartError when a configured user does not exist on this machine.
 */
export function peerIdentifiersOf({ access, server }: Config, events: Events): PeerIdentifiers {
  const parts = {
    proxyUsers: server.trustedProxies.users,
    users: systemUsers(),
    ownUid: process.getuid?.() ?? 0,
    platform: process.platform,
    table: new PeerTable(),
    isStanding,
    onUnreadable: (cause: Error) => events.emit({ kind: 'peer_users_unreadable', cause }),
  }
  const byUser = peerUserCheck({ ...parts, allowedUsers: access.allowedUsers })
  return { tcp: byUser ?? proxyUserCheck(parts, addressIdentity), unixSocket: socketOwner(parts) }
}
