// npm run fuzz -- [--seed N] [--count N] [--first N]: the seed is printed, so that a run can be made again; --first N
// --count 1 repeats a single input.
import { randomInt } from 'node:crypto'

import { readNumbersOrExit } from '../support/number-options.ts'
import { fuzz } from './fuzz.ts'

const { seed, count, first } = readNumbersOrExit({
  seed: { usual: randomInt(1_000_000), least: 0 },
  count: { usual: 100_000, least: 1 },
  first: { usual: 0, least: 0 },
})
const write = (line: string) => void process.stdout.write(`${line}\n`)

write(`seed ${seed}, ${count} inputs from ${first} on`)
const releases: (() => unknown)[] = []
const report = await fuzz(
  { after: (release) => releases.push(release) },
  { seed, count, first, onProgress: (done) => write(`  ${done}`) },
)
for (const release of releases.toReversed()) await release()

const mib = (bytes: number) => (bytes / 1_048_576).toFixed(1)
const statuses = [...report.statuses].sort(([a], [b]) => a - b)
write(`answers    ${statuses.map(([status, times]) => `${status}: ${times}`).join(', ')}`)
write(`served     ${report.served} by the provider`)
write(`memory     ${mib(report.warmBytes)} MiB warm, ${mib(report.endBytes)} MiB at the end`)
write(`took       ${(report.durationMs / 1000).toFixed(1)} s`)
write(`findings   ${report.findings.length}`)
for (const finding of report.findings) write(`- ${finding}`)
process.exitCode = report.findings.length > 0 ? 1 : 0
