// Where this process makes connections to, as the system is asked for them.
import dns, { type LookupAddress } from 'node:dns'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { isIP, type Socket } from 'node:net'
import type { TestContext } from 'node:test'

/** Addresses that connections were attempted to since, in order. */
export function watchConnections(t: TestContext): string[] {
  const addresses: string[] = []
  const onSocket = (message: unknown) => {
    const { socket } = message as { socket: Socket }
    socket.on('connectionAttempt', (address) => addresses.push(address))
  }
  subscribe('net.client.socket', onSocket)
  t.after(() => unsubscribe('net.client.socket', onSocket))
  return addresses
}

/** Names have these addresses until the test ends; all others have none. @param addressesOf is asked at each look-up. */
export function resolveNames(t: TestContext, addressesOf: (name: string) => readonly string[]): void {
  const lookup = (
    name: string,
    options: { all?: boolean },
    callback: (error: Error | null, found?: LookupAddress[] | string, family?: number) => void,
  ) => {
    const found = isIP(name) === 0 ? addressesOf(name) : [name]
    const all = found.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
    const [first] = all
    queueMicrotask(() => {
      if (first === undefined) {
        callback(Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), { code: 'ENOTFOUND' }))
      } else if (options.all === true) callback(null, all)
      else callback(null, first.address, first.family)
    })
  }
  t.mock.method(dns, 'lookup', lookup as unknown as typeof dns.lookup)
}
