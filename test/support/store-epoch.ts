// A server of shared limits that has been in use for long: without the grace in which it grants nothing new.
import { schemaVersion } from '../../src/admission/stores/valkey/exchange.ts'
import type { RedisServer } from './redis.ts'

/** For gateways that have not joined yet. */
export async function trustEpoch(server: RedisServer, prefix: string): Promise<void> {
  const info = await server.command('INFO', 'server')
  const runId = /^run_id:(\w+)/m.exec(info)![1]!
  const now = Date.now()
  const times = ['now', now, 'grace_until', now, 'alive_until', 0]
  await server.command('HSET', `{${prefix}}:epoch`, 'schema', schemaVersion, 'run_id', runId, ...times)
}
