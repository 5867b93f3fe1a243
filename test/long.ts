// npm run test:long -- [--budget MINUTES] [--only NAME] [--seed N] [--first N] [--count N]: one long run after the other,
// each to its full count, or within its share of the budget. Each prints its seed, so that it can be made again.
import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'

import { buildScript, isBuilt } from './support/built-checkout.ts'

/** They come last: what the others leave of their share is for these. */
const longest = ['fuzz/fuzz', 'chaos/chaos']
const runs = globSync('**/*.long.ts', { cwd: import.meta.dirname })
  .map((file) => file.slice(0, -'.long.ts'.length))
  .toSorted((one, other) => longest.indexOf(one) - longest.indexOf(other))
const nameOf = (run: string) => run.slice(run.lastIndexOf('/') + 1)
/** For its start and its end, which come on top of a run's share. */
const reserveSeconds = 20

const type = 'string'
const { values } = parseArgs({
  options: { budget: { type }, only: { type }, seed: { type }, first: { type }, count: { type } },
})
const chosen = runs.filter((run) => values.only === undefined || nameOf(run) === values.only)
const budgetSeconds = Number(values.budget ?? Number.POSITIVE_INFINITY) * 60
if (chosen.length === 0 || !(budgetSeconds > 0)) {
  process.stderr.write(`--budget takes minutes; --only takes one of: ${runs.map(nameOf).join(', ')}\n`)
  process.exit(2)
}

// Eight gateways that start at once from the sources need fifteen seconds of CPU until they listen, from a build two.
if (!isBuilt()) spawnSync(process.execPath, [buildScript], { stdio: 'inherit' })
const env = { TEST_BUILD: isBuilt() ? '1' : '0', ...process.env }

let isFailed = false
for (const [index, run] of chosen.entries()) {
  const leftSeconds = budgetSeconds - performance.now() / 1_000
  const seconds = Math.max(1, Math.floor(leftSeconds / (chosen.length - index)) - reserveSeconds)
  const args = (['seed', 'first', 'count'] as const).flatMap((name) =>
    values[name] === undefined ? [] : [`--${name}`, values[name]],
  )
  if (values.budget !== undefined) args.push('--seconds', String(seconds))
  const file = join(import.meta.dirname, `${run}.long.ts`)
  const { status } = spawnSync(process.execPath, [file, ...args], { stdio: 'inherit', env })
  isFailed ||= status !== 0
}
process.exitCode = isFailed ? 1 : 0
