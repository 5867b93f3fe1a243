// What the gateway adds to a call of a server that it starts: while the server runs, and to its start. In a user manager of its own,
// which needs root; the server is a script that takes a second to load, so that the figures are of the gateway and systemd.
import { percentile, spreadOf } from '../gateways/statistics.ts'
import { noUserManager } from '../../test/support/user-manager.ts'
import { startServices } from '../../test/support/installed-services.ts'

const [warmCalls, starts] = [120, 12]

interface Measured {
  readonly warm: Readonly<Record<'service' | 'plain' | 'server', readonly number[]>>
  readonly cold: Readonly<Record<'gateway' | 'byHand', readonly number[]>>
}

/** What a service may add to a call, and the gateway to a start, in milliseconds. */
const [mostPerCallMs, mostPerStartMs] = [1, 100]

/** @returns the exit status: 1 where a figure is above its bound, or the manager cannot be had. */
export async function benchServices(): Promise<number> {
  const reason = noUserManager()
  if (reason !== false) {
    process.stderr.write(`services: ${reason}\n`)
    return 1
  }
  const ends: (() => unknown)[] = []
  try {
    const after = (end: () => unknown) => void ends.push(end)
    const plain = { kind: 'llama_cpp', base_url: 'http://127.0.0.1:9200/v1' }
    const service = { unit: 'slow.service' }
    const config = {
      providers: { slow: { ...plain, service }, plain },
      models: { slow: { provider: 'slow' }, plain: { provider: 'plain', model: 'slow' } },
      rate_limit_settings: { enabled: false },
    }
    const manager = await startServices({ after }, { servers: { slow: { loads: 1_000 } }, config })
    // One after the other, because a command in there has two minutes.
    const probe = async (calls: number, times: number): Promise<Measured> =>
      JSON.parse(
        await manager.ok(
          `${process.execPath} llm-gateway/bench/services/probe.ts http://127.0.0.1:4000 http://127.0.0.1:9200 ${calls} ${times}`,
        ),
      ) as Measured
    const { warm } = await probe(warmCalls, 0)
    const { cold } = await probe(0, starts)
    print('first event of a server that runs, directly', warm.server)
    print('  through the gateway, without a service', warm.plain)
    print('  through the gateway, with a service', warm.service)
    print('first event of a server that is started, by hand', cold.byHand)
    print('  through the gateway', cold.gateway)
    const perCallMs = difference(warm.service, warm.plain)
    const perStartMs = difference(cold.gateway, cold.byHand)
    const allMs = difference(warm.service, warm.server)
    process.stdout.write(
      `a service adds ${perCallMs.toFixed(2)} ms to a call (at most ${mostPerCallMs}); the gateway adds ${allMs.toFixed(2)} ms\n`,
    )
    process.stdout.write(
      `the gateway adds ${perStartMs.toFixed(2)} ms to a start (at most ${mostPerStartMs})\n`,
    )
    return perCallMs <= mostPerCallMs && perStartMs <= mostPerStartMs ? 0 : 1
  } finally {
    for (const end of ends.toReversed()) await end()
  }
}

function difference(one: readonly number[], other: readonly number[]): number {
  return medianOf(one) - medianOf(other)
}

function print(what: string, all: readonly number[]): void {
  const worst = percentile(
    all.toSorted((one, other) => one - other),
    0.95,
  )
  process.stdout.write(
    `${what}: median ${medianOf(all).toFixed(2)} ms, p95 ${worst.toFixed(2)} ms (${all.length})\n`,
  )
}

function medianOf(all: readonly number[]): number {
  return spreadOf(all).median
}
