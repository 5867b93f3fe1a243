// Where the other workers listen: on the addresses and the port that the first one got.
import { StartError } from '../../errors.ts'

/**
 * Hosts and port of addresses such as `http://[::1]:4000`; Unix sockets are left out.
 * @throws StartError when they have several ports, or none.
 */
export function sharedPort(addresses: readonly string[]): { hosts: readonly string[]; port: number } {
  const urls = addresses.filter((address) => address.startsWith('http:')).map((address) => new URL(address))
  const port = Number(urls[0]?.port || 80)
  if (urls.length === 0 || urls.some((url) => Number(url.port || 80) !== port)) {
    throw new StartError('Several workers need one TCP port in common.')
  }
  return { hosts: urls.map(({ hostname }) => hostname.replace(/^\[|\]$/g, '')), port }
}
