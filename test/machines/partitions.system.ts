// Gateways that share their limits, and a network that loses what is sent: with hosts of their own, which no relay stands between.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { hostsMissing } from '../support/hosts.ts'
import { missing } from '../support/needs.ts'
import { redisWithTls } from '../support/redis.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'
import { type HostsOptions, startFleetOnHosts } from './fleet-on-hosts.ts'

/** Requests a minute of all, and the part of each of three gateways. */
const [limit, share] = [12, 4]

const startThree = (t: Cleanup, options: Partial<HostsOptions> = {}) =>
  startFleetOnHosts(t, { count: 3, limits: { rpm: limit }, whenUnavailable: 'share', ...options })

const skip = hostsMissing() || missing(redisWithTls, 'openssl')
suite('gateways on hosts of their own', { skip, concurrency: 2 }, () => {
  test('share: one whose packets are lost has its part beside the whole of the others', async (t) => {
    const { fleet, network, hosts, storeHost } = await startThree(t)
    await fleet.take(1, limit)
    const before = fleet.losses
    await fleet.all('down', () => network.part([hosts[0]!], [storeHost]), [0])
    const total = await fleet.exhaust(limit + share)
    assert.ok(total >= limit + share && total <= limit + share * (fleet.losses - before), `${total}`)
    await fleet.all('up', () => network.mend(), [0])
    assert.equal(await fleet.exhaust(total), total)
  })

  test('refuse: what the store grants, and nobody hears of, is used by nobody', async (t) => {
    const { fleet, network, hosts, storeHost } = await startThree(t, { whenUnavailable: 'refuse' })
    await fleet.take(0, 4)
    await fleet.all('down', () => network.lose([storeHost], [hosts[0]!]), [0])
    const total = await fleet.exhaust(limit, [1, 2, 0])
    assert.ok(total > 4 && total <= limit, `${total}`)
    await fleet.all('up', () => network.mend(), [0])
    assert.equal(await fleet.exhaust(limit), limit)
  })

  test('share: a server whose host vanishes without a word, and comes back empty', async (t) => {
    const { fleet, network, hosts, storeHost } = await startThree(t)
    await fleet.take(0, limit)
    await fleet.all('down', async () => {
      await network.part(hosts, [storeHost])
      // The end of its connections is lost too: for the gateways they stay open.
      await fleet.redis.kill()
    })
    assert.equal(await fleet.exhaust(limit + 2 * share), limit + 2 * share)
    await fleet.redis.restart()
    await fleet.all('up', () => network.mend())
    await fleet.settled()
    assert.equal(await fleet.exhaust(limit), limit + 2 * share)
  })
})
