// What tests of `routes.rest` share.
import type { Setup } from '../../support/gateway-config.ts'

export const restSetup = { routes: { rest: { provider: 'scripted' } } } as const satisfies Setup

/** Front proxies of this user name the clients, so that there are several. */
export const severalClients = {
  ...restSetup,
  server: { trusted_proxies: [{ user: 'self' }] },
} as const satisfies Setup

export const [ann, bob] = [{ 'x-forwarded-for': '203.0.113.1' }, { 'x-forwarded-for': '203.0.113.2' }]
