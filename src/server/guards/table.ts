// The guards that the configuration asks for.
import type { IncomingMessage } from 'node:http'
import type { ForwardedFor } from '../../clients/forwarded-for.ts'
import type { Config } from '../../config/types.ts'
import { addressGuard } from './address.ts'
import { bodySizeGuard } from './body-size.ts'
import { contentCodingGuard } from './content-coding.ts'
import { contentTypeGuard } from './content-type.ts'
import { expectGuard } from './expect.ts'
import { fetchSiteGuard } from './fetch-site.ts'
import { framingGuard } from './framing.ts'
import type { Guard } from './guard.ts'
import { observerGuard } from './observer.ts'
import { headerCountGuard } from './header-count.ts'
import { hostGuard } from './host.ts'
import { originGuard } from './origin.ts'
import { targetGuard } from './target.ts'
import { upgradeGuard } from './upgrade.ts'

interface GuardParts {
  readonly isOriginAllowed: (origin: string) => boolean
  readonly forwardedFor: ForwardedFor
  readonly hasRest: () => boolean
  /** Whether a request comes from the gateway's status page. */
  readonly isOwnPage: (request: IncomingMessage) => boolean
}

/** In the order in which they refuse. */
export function guardsOf(
  { access, cors, server, status }: Pick<Config, 'access' | 'cors' | 'server' | 'status'>,
  { isOriginAllowed, forwardedFor, hasRest, isOwnPage }: GuardParts,
): readonly Guard[] {
  return [
    observerGuard,
    headerCountGuard,
    addressGuard(access.allowedIps, forwardedFor),
    hostGuard(server.allowedHosts),
    originGuard(isOriginAllowed, cors, status.enabled ? isOwnPage : () => false),
    fetchSiteGuard(isOriginAllowed),
    upgradeGuard,
    expectGuard,
    targetGuard,
    framingGuard,
    contentCodingGuard,
    contentTypeGuard,
    bodySizeGuard(server.maxRequestBodyBytes, hasRest),
  ]
}
