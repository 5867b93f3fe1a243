// A fleet whose gateways and servers have hosts of their own, so that its network can be parted: as in failures with relays, but
// that packets are lost in the kernel, in one direction too, and connections stay half open.
import { join } from 'node:path'

import { issueCertificates } from '../support/certificates.ts'
import { scratchDirectory } from '../support/config-file.ts'
import { until } from '../support/deadline.ts'
import { type Host, type Network, startHosts } from '../support/hosts.ts'
import { type RedisServer, startRedis } from '../support/redis.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'
import { Fleet, type FleetOptions } from './fleet.ts'

export interface FleetOnHosts {
  readonly fleet: Fleet
  readonly network: Network
  /** Of the gateways, by their numbers. */
  readonly hosts: readonly Host[]
  readonly storeHost: Host
  readonly replicas: readonly { readonly server: RedisServer; readonly host: Host }[]
}

export interface HostsOptions extends FleetOptions {
  /** With any, there is a Sentinel on each gateway's host, of which two have to agree. Default: 0. */
  readonly replicaCount?: number
}

const sentinelPort = 26_379

/** The servers speak TLS: there is no other way to a server on another host. */
export async function startFleetOnHosts(t: Cleanup, options: HostsOptions): Promise<FleetOnHosts> {
  const { count, replicaCount = 0 } = options
  const network = await startHosts(t, count + 1 + replicaCount)
  const hosts = network.hosts.slice(0, count)
  const [storeHost, ...replicaHosts] = network.hosts.slice(count)
  const { ca, cert, key } = issueCertificates(t, ...network.hosts.map(({ address }) => address))
  const tls = { ca: ca.file, cert, key }
  const folder = scratchDirectory(t)
  const storeAt = { ...options.redis, tls, port: 6379, host: storeHost! }
  const sentinels = hosts.map(({ address }) => `${address}:${sentinelPort}`)
  const replicas: { server: RedisServer; host: Host }[] = []
  const fleet = await Fleet.start(t, {
    ...options,
    redis: storeAt,
    async onStore(redis) {
      for (const host of replicaHosts) {
        const server = await startRedis(t, { ...storeAt, host })
        await server.command('REPLICAOF', storeHost!.address, redis.port)
        replicas.push({ server, host })
      }
      if (replicaCount === 0) return
      await startSentinels(t, { master: redis, hosts, masterAddress: storeHost!.address, replicaCount, tls })
    },
    place: async (index, provider) => ({
      storeUrl:
        replicaCount > 0
          ? `rediss+sentinel://${sentinels.join()}/main`
          : `rediss://${storeHost!.address}:6379`,
      caFile: ca.file,
      providerPort: provider.serve(await hosts[index]!.listen()),
      socketPath: join(folder, `gateway-${index}.socket`),
      launch: { enter: hosts[index]!.enter },
    }),
  })
  return { fleet, network, hosts, storeHost: storeHost!, replicas }
}

interface Watched {
  readonly master: RedisServer
  readonly masterAddress: string
  /** Default: 1. */
  readonly replicaCount?: number
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca: string }
  /** Absent: three, on loopback. */
  readonly hosts?: readonly Host[]
}

/** Three that watch a server and its replica, by the name of `main`; resolves once they know it and each other. */
export async function startSentinels(
  t: Cleanup,
  { master, masterAddress, replicaCount = 1, tls, hosts }: Watched,
): Promise<RedisServer[]> {
  const config = [
    `sentinel monitor main ${masterAddress} ${master.port} 2`,
    'sentinel down-after-milliseconds main 1000',
    'sentinel failover-timeout main 4000',
  ]
  const places = hosts?.map((host) => ({ host, port: sentinelPort })) ?? [{}, {}, {}]
  const all = await Promise.all(
    places.map((place) => startRedis(t, { ...place, config, isSentinel: true, ...(tls && { tls }) })),
  )
  const field = async (sentinel: RedisServer, name: string) => {
    const words = (await sentinel.command('SENTINEL', 'MASTER', 'main')).split('\n')
    return words[words.indexOf(name) + 1]
  }
  const isReady = async (sentinel: RedisServer) =>
    (await field(sentinel, 'num-slaves')) === String(replicaCount) &&
    (await field(sentinel, 'num-other-sentinels')) === String(all.length - 1)
  await Promise.all(all.map((each) => until(() => isReady(each), 'Sentinels that know each other')))
  return all
}
