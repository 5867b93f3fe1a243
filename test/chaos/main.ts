// npm run chaos -- [--seed N] [--seconds N] [--connections N]: the seed is printed; it decides everything but the time.
import { randomInt } from 'node:crypto'

import { readNumbersOrExit } from '../support/number-options.ts'
import { chaos } from './chaos.ts'

const { seed, seconds, connections } = readNumbersOrExit({
  seed: { usual: randomInt(1_000_000), least: 0 },
  seconds: { usual: 120, least: 1 },
  connections: { usual: 64, least: 1 },
})
const write = (line: string) => void process.stdout.write(`${line}\n`)

const interruption = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => interruption.abort())

write(`seed ${seed}, ${seconds} s, ${connections} connections`)
const releases: (() => unknown)[] = []
try {
  const t = { after: (release: () => unknown) => releases.push(release) }
  const report = await chaos(t, { seed, seconds, connections, leastCalls: 0, signal: interruption.signal })
  const mib = (bytes: number | undefined) => ((bytes ?? 0) / 1_048_576).toFixed(0)
  const { ends, counts, steady, memory, sockets, findings } = report
  const total = [...ends.values()].reduce((sum, count) => sum + count, 0)
  write(`calls      ${total}, with ${report.visits} requests at the upstreams`)
  for (const [end, count] of [...ends].toSorted(([one], [other]) => one.localeCompare(other)))
    write(`  ${String(count).padStart(7)} ${end}`)
  write(`upstreams  killed ${counts.kills} times`)
  write(`reloads    ${counts.reloads}, and ${counts.refusals} refused`)
  write(`steady     ${steady[0]} calls for sure in 60 s, of ${steady[1]} that its limit allows`)
  write(`sockets    ${sockets[0]} at first, ${sockets[1]} at last`)
  write(
    `memory     ${memory
      .filter((_, second) => second % 5 === 4)
      .map(mib)
      .join(', ')} MiB, every 5 s`,
  )
  write(`findings   ${findings.length}${interruption.signal.aborted ? ' until it was interrupted' : ''}`)
  for (const finding of findings) write(`- ${finding}`)
  process.exitCode = findings.length > 0 || interruption.signal.aborted ? 1 : 0
} finally {
  for (const release of releases.toReversed()) await release()
}
