// npm run bench -- NAME… [options]: runs the named benches, or all of them but `soak`, which takes an hour. Options are those of
// a single named bench.
import { benchAdmission } from './admission.ts'
import { benchBudgets } from './budgets.ts'
import { benchGateways } from './gateways/run.ts'
import { benchGrowth } from './growth/run.ts'
import { benchLedger } from './ledger.ts'
import { benchLimits } from './limits.ts'
import { benchLocal } from './local/run.ts'
import { benchMachines } from './machines.ts'
import { benchMetrics } from './metrics.ts'
import { benchServices } from './services/run.ts'
import { benchSoak } from './soak/run.ts'
import { benchWorkers } from './workers.ts'

/** A bench may return the exit status. */
type Bench = (options: readonly string[]) => void | number | Promise<void | number>

const benches: Readonly<Record<string, Bench>> = {
  admission: benchAdmission,
  budgets: benchBudgets,
  gateways: benchGateways,
  growth: benchGrowth,
  ledger: benchLedger,
  limits: benchLimits,
  local: benchLocal,
  machines: benchMachines,
  metrics: benchMetrics,
  services: benchServices,
  soak: benchSoak,
  workers: benchWorkers,
}

const withOptions: ReadonlySet<string> = new Set(['gateways', 'growth', 'soak'])

const args = process.argv.slice(2)
const firstOption = args.findIndex((arg) => arg.startsWith('-'))
const named = firstOption < 0 ? args : args.slice(0, firstOption)
const options = args.slice(named.length)
const names = named.length > 0 ? named : Object.keys(benches).filter((name) => name !== 'soak')

if (options.length > 0 && named.length !== 1) {
  process.stderr.write(`options belong to one bench: npm run bench -- gateways ${options.join(' ')}\n`)
  process.exitCode = 2
} else if (options.length > 0 && !withOptions.has(names[0]!)) {
  process.stderr.write(`${names[0]} takes no options, and got ${options.join(' ')}\n`)
  process.exitCode = 2
} else {
  for (const name of names) await run(name)
}

async function run(name: string): Promise<void> {
  const bench = benches[name]
  if (bench === undefined) {
    process.stderr.write(`no bench ${name}; there are: ${Object.keys(benches).join(', ')}\n`)
    process.exitCode = 2
    return
  }
  process.stdout.write(`\n${name}\n`)
  const status = await bench(options)
  if (status) process.exitCode = status
}
