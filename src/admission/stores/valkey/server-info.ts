// What a server says of itself: https://valkey.io/commands/info/.
import { StoreFault } from './store-fault.ts'

export interface ServerInfo {
  /** Another one after each start of the server. */
  readonly runId: string
  /** `Valkey 8.0.1`. */
  readonly version: string
  /** `allkeys-lru`, if the server may delete keys of ours when its memory is full. Undefined: it never does. */
  readonly evictionPolicy: string | undefined
}

/**
 * @param server `INFO server`. @param rest of the sections replication and memory.
 * @throws StoreFault for a server that cannot be used.
 */
export function readServerInfo(server: string, rest: string): ServerInfo {
  const fields = new Map(
    `${server}\r\n${rest}`
      .split('\r\n')
      .filter((line) => line.includes(':'))
      .map((line): [string, string] => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]),
  )
  const valkey = fields.get('valkey_version')
  const number = valkey ?? fields.get('redis_version') ?? ''
  const version = `${valkey === undefined ? 'Redis' : 'Valkey'} ${number}`
  const runId = fields.get('run_id')
  if (number === '' || runId === undefined || runId === '')
    throw new StoreFault('refused', 'INFO names no version and no run_id: this is neither Valkey nor Redis')
  if (isOlder(number, valkey === undefined ? [7, 0] : [7, 2])) {
    throw new StoreFault('refused', `the server is ${version}: at least Redis 7.0 or Valkey 7.2 is needed`)
  }
  if (fields.get('role') === 'slave')
    throw new StoreFault('refused', 'the server is a replica, which can count nothing', 'READONLY')
  const policy = fields.get('maxmemory_policy')
  const isBounded = (fields.get('maxmemory') ?? '0') !== '0'
  return { runId, version, evictionPolicy: isBounded && policy !== 'noeviction' ? policy : undefined }
}

function isOlder(version: string, [major = 0, minor = 0]: readonly number[]): boolean {
  const [ofMajor = 0, ofMinor = 0] = version.split('.').map(Number)
  return ofMajor < major || (ofMajor === major && ofMinor < minor)
}
