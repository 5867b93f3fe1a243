// What fails between gateways and their servers on hosts of their own, and who takes the place of a server that is gone.
import { setTimeout as sleep } from 'node:timers/promises'

import { until } from '../support/deadline.ts'
import { hostsMissing } from '../support/hosts.ts'
import { type RedisServer, startRedis } from '../support/redis.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'
import type { Fleet, FleetOptions } from './fleet.ts'
import { type FleetOnHosts, type HostsOptions, startFleetOnHosts, startSentinels } from './fleet-on-hosts.ts'
import { limit, refuse, type Scenario, share } from './scenario.ts'

const cutMs = 20_000

/** On loopback. The server is killed; what it has granted last, the replica may not know. */
export function promotion(whenUnavailable: 'refuse' | 'share') {
  let replica: RedisServer
  let port = 0
  return {
    options: (t: Cleanup): Partial<FleetOptions> => ({
      whenUnavailable,
      async onStore(master) {
        replica = await startRedis(t)
        await replica.command('REPLICAOF', '127.0.0.1', master.port)
        const [sentinel] = await startSentinels(t, { master, masterAddress: '127.0.0.1' })
        port = sentinel!.port
      },
      place: async (_index, provider) => ({
        storeUrl: `redis+sentinel://127.0.0.1:${port}/main`,
        providerPort: provider.port,
      }),
    }),
    async fail(fleet: Fleet) {
      await fleet.all('up', () => fleet.redis.kill())
      await untilMaster(replica)
    },
  }
}

/** Resolves once Sentinels have promoted it. */
async function untilMaster(server: RedisServer): Promise<void> {
  // A Sentinel closes the connections of those whom it promotes.
  const role = () => server.command('ROLE').catch(() => '')
  await until(async () => (await role()).startsWith('master'), 'a replica that is promoted')
}

/** @param fail while calls go on. */
function onHosts(
  fail: (all: FleetOnHosts) => Promise<unknown>,
  more: Partial<HostsOptions> = {},
): Partial<Scenario> {
  let all: FleetOnHosts
  return {
    async start(t, options: FleetOptions) {
      all = await startFleetOnHosts(t, { ...options, ...more })
      return all.fleet
    },
    fail: () => fail(all),
  }
}

/** Gateway 0 stays with the server, the others get a replica. */
async function split({ network, hosts, storeHost, replicas }: FleetOnHosts): Promise<void> {
  const [first, ...others] = hosts
  await network.part([first!, storeHost], [...others, ...replicas.map(({ host }) => host)])
  await Promise.race(replicas.map(({ server }) => untilMaster(server)))
  await sleep(cutMs)
  await network.mend()
}

/** None where this machine has no such hosts. */
export function networkScenarios(): readonly Scenario[] {
  const reason = hostsMissing()
  if (reason !== false) {
    process.stdout.write(`machines: without partitions of the network, ${reason}\n`)
    return []
  }
  const lost = onHosts(async ({ network, hosts, storeHost }) => {
    await network.part([hosts[0]!], [storeHost])
    await sleep(cutMs)
    await network.mend()
  })
  const unheard = onHosts(async ({ network, hosts, storeHost }) => {
    await network.lose([storeHost], [hosts[0]!])
    await sleep(cutMs)
    await network.mend()
  })
  const vanished = onHosts(async ({ fleet, network, hosts, storeHost }) => {
    await network.part(hosts, [storeHost])
    await fleet.redis.kill()
    await sleep(cutMs)
    await fleet.redis.restart()
    await network.mend()
  })
  const halves = { replicaCount: 1 }
  const careful = {
    // One for the server that is promoted, too.
    replicaCount: 2,
    redis: { config: ['min-replicas-to-write 1', 'min-replicas-max-lag 2', 'repl-ping-replica-period 1'] },
  }
  return [
    { name: 'packets of a gateway are lost for 20 s, share', ...lost, most: limit + share },
    { name: 'what the store says to a gateway is lost for 20 s, refuse', ...unheard, options: refuse },
    {
      name: 'the host of the store vanishes, and comes back empty, share',
      ...vanished,
      most: limit + 2 * share,
    },
    {
      name: 'the network splits and a replica takes over, refuse',
      ...onHosts(split, halves),
      options: refuse,
      beforeMs: 0,
      most: 2 * limit,
    },
    {
      name: 'the network splits and a replica takes over, refuse, min-replicas-to-write 1',
      ...onHosts(split, careful),
      options: refuse,
      beforeMs: 0,
      most: 2 * limit,
    },
  ]
}
