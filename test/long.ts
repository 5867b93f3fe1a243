// npm run test:long -- [--budget MINUTES] [--only NAME] [--seed N] [--first N] [--count N]: one long run after the other,
// each to its full count, or within its share of the budget. Each prints its seed, so that it can be made again.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'

/** The short ones first: what they leave of their share is for the others. */
const runs = ['flows/framings', 'flows/reload', 'fuzz/fuzz', 'chaos/chaos']
/** For its start and its end, which come on top of a run's share. */
const reserveSeconds = 20

const type = 'string'
const { values } = parseArgs({
  options: { budget: { type }, only: { type }, seed: { type }, first: { type }, count: { type } },
})
const chosen = runs.filter((run) => values.only === undefined || run.endsWith(`/${values.only}`))
const budgetSeconds = Number(values.budget ?? Number.POSITIVE_INFINITY) * 60
if (chosen.length === 0 || !(budgetSeconds > 0)) {
  process.stderr.write('--budget takes minutes; --only takes framings, reload, fuzz or chaos\n')
  process.exit(2)
}

let isFailed = false
for (const [index, run] of chosen.entries()) {
  const leftSeconds = budgetSeconds - performance.now() / 1_000
  const seconds = Math.max(1, Math.floor(leftSeconds / (chosen.length - index)) - reserveSeconds)
  const args = (['seed', 'first', 'count'] as const).flatMap((name) =>
    values[name] === undefined ? [] : [`--${name}`, values[name]],
  )
  if (values.budget !== undefined) args.push('--seconds', String(seconds))
  const file = join(import.meta.dirname, `${run}.long.ts`)
  const { status } = spawnSync(process.execPath, [file, ...args], { stdio: 'inherit' })
  isFailed ||= status !== 0
}
process.exitCode = isFailed ? 1 : 0
