// Which server is to be joined: the one of the URL, the master that Sentinels name, or the node of a cluster that has our keys.
import type { StoreAddress, StoreEndpoint } from '../../../config/store-types.ts'
import { reachOf } from '../../../platform/address-reach.ts'
import { hostPort } from '../../../platform/host-port.ts'
import type { Client } from './client.ts'
import { faultOf, StoreFault } from './store-fault.ts'

export interface Asking {
  /** Over a connection of its own, which has logged in, if `withLogin`. Rejects with a `StoreFault`. */
  readonly ask: <T>(
    address: StoreAddress,
    withLogin: boolean,
    question: (client: Client) => Promise<T>,
  ) => Promise<T>
}

/**
 * Asks one address after the other until one knows the server.
 * @param key any of ours: all are on one node.
 * @throws StoreFault: of the last one asked.
 */
export async function locate(endpoint: StoreEndpoint, key: string, { ask }: Asking): Promise<StoreAddress> {
  const { topology, addresses, isEncrypted } = endpoint
  if (topology.kind === 'single') return addresses[0]!
  const isSentinel = topology.kind === 'sentinel'
  let fault = new StoreFault('down', 'the URL has no address')
  for (const address of addresses) {
    try {
      const found = isSentinel
        ? await ask(address, topology.isSameLogin, (client) => askSentinel(client, topology.master))
        : await ask(address, true, (client) => askNode(client, key, address))
      return checked(found, isEncrypted)
    } catch (error) {
      const { kind, message, code } = faultOf(error)
      fault = new StoreFault(kind, `${addressText(address)}: ${message}`, code)
    }
  }
  throw fault
}

/** `127.0.0.1:6379`, or the path of a socket. */
export function addressText(address: StoreAddress): string {
  return 'path' in address ? address.path : hostPort(address.host, address.port)
}

/** https://valkey.io/topics/sentinel-clients/ */
async function askSentinel(client: Client, master: string): Promise<{ host: string; port: number }> {
  const reply = await client.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', master)
  if (reply === null) throw new StoreFault('refused', `this Sentinel knows no master "${master}"`)
  const [host, port] = Array.isArray(reply) ? (reply as unknown[]) : []
  return addressOf(host, port)
}

/** https://valkey.io/commands/cluster-slots/ */
async function askNode(
  client: Client,
  key: string,
  asked: StoreAddress,
): Promise<{ host: string; port: number }> {
  const [slot, ranges] = await Promise.all([
    client.call('CLUSTER', 'KEYSLOT', key),
    client.call('CLUSTER', 'SLOTS'),
  ])
  if (!Array.isArray(ranges)) throw noAddress()
  for (const range of ranges as unknown[]) {
    const [first, last, node] = Array.isArray(range) ? (range as unknown[]) : []
    if (!(Number(first) <= Number(slot) && Number(slot) <= Number(last))) continue
    const [named, port] = Array.isArray(node) ? (node as unknown[]) : []
    // A node that does not know its own address leaves it out: it is the one that was asked.
    const host = named === null || named === '' ? ('host' in asked ? asked.host : '') : named
    if (host === '?') throw new StoreFault('refused', 'the cluster does not know the address of its node')
    return addressOf(host, port)
  }
  throw new StoreFault('refused', `no node of the cluster has the slot ${Number(slot)}`)
}

function addressOf(host: unknown, port: unknown): { host: string; port: number } {
  const number = Number(port)
  const isPort = Number.isSafeInteger(number) && number >= 1 && number <= 65_535
  // Names and addresses of hosts, with the zone of an IPv6 address.
  if (typeof host !== 'string' || !/^[\w.:%-]{1,255}$/.test(host) || !isPort) throw noAddress()
  return { host, port: number }
}

function noAddress(): StoreFault {
  return new StoreFault('garbled', 'it was asked for the address of the server, and its reply has none')
}

/** What other servers say is held to the rule that the URL keeps. */
function checked(address: { host: string; port: number }, isEncrypted: boolean): StoreAddress {
  if (isEncrypted || address.host === 'localhost' || reachOf(address.host) === 'loopback') return address
  const message = `the server is ${hostPort(address.host, address.port)}, where commands would go unencrypted: write the URL with rediss+`
  throw new StoreFault('refused', message)
}
