// Where the other workers listen: on what the first one got.
import { StartError } from '../../errors.ts'

/**
 * Hosts and port of addresses such as `http://[::1]:4000`; Unix sockets are left out.
 * @throws StartError when they have several ports, or none.
 */
export function tcpPlaces(addresses: readonly string[]): { hosts: readonly string[]; port: number } {
  const places = addresses.filter((address) => address.startsWith('http:')).map((address) => new URL(address))
  const port = Number(places[0]?.port || 80)
  if (places.length === 0 || places.some((place) => Number(place.port || 80) !== port)) {
    throw new StartError('Several workers need one TCP port in common.')
  }
  return { hosts: places.map(({ hostname }) => hostname.replace(/^\[|\]$/g, '')), port }
}
