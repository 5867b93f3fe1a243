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

interface Bench {
  /** A line of the help. */
  readonly about: string
  /** True where it reads options, `--help` among them. */
  readonly hasOptions?: true
  /** It may return the exit status. */
  readonly run: (options: readonly string[]) => void | number | Promise<void | number>
}

const benches: Readonly<Record<string, Bench>> = {
  admission: {
    about: 'time to admit a call, by the number of calls in the window of its limit',
    run: benchAdmission,
  },
  budgets: {
    about: 'what budgets cost a call, and how far 64 concurrent agents overspend one',
    run: benchBudgets,
  },
  gateways: {
    about: 'CPU, latency, throughput and memory, compared with other gateways and proxies',
    hasOptions: true,
    run: benchGateways,
  },
  growth: {
    about: 'CPU per call as models, limits, keys, the ledger, open streams or workers grow',
    hasOptions: true,
    run: benchGrowth,
  },
  ledger: {
    about: 'what the usage ledger costs: CPU, disk, and time to read',
    run: benchLedger,
  },
  limits: {
    about: 'whether limits hold under load, compared with other ways of counting',
    run: benchLimits,
  },
  local: {
    about: 'prompt tokens and time to the first token, by how calls are placed on local servers',
    run: benchLocal,
  },
  machines: {
    about: 'what limits cost that several gateways share (needs redis-server)',
    run: benchMachines,
  },
  metrics: {
    about: 'what metrics cost a call, and a scrape',
    run: benchMetrics,
  },
  services: {
    about: 'what a model server that systemd starts on demand adds to a call (needs root)',
    run: benchServices,
  },
  soak: {
    about: 'an hour of mixed calls: whether CPU, latency, memory and files stay flat',
    hasOptions: true,
    run: benchSoak,
  },
  workers: {
    about: 'calls per second with several worker threads, and whether limits hold over them',
    run: benchWorkers,
  },
}

const args = process.argv.slice(2)
const firstOption = args.findIndex((arg) => arg.startsWith('-'))
const named = firstOption < 0 ? args : args.slice(0, firstOption)
const options = args.slice(named.length)
const stranger = named.find((name) => !Object.hasOwn(benches, name))
const wantsHelp = options.includes('--help') || options.includes('-h')
/** The one that the options are for. */
const reader = named.length === 1 && benches[named[0]!]?.hasOptions === true ? named[0] : undefined

if (stranger !== undefined) refuse(`no bench ${stranger}; there are: ${Object.keys(benches).join(', ')}`)
else if (wantsHelp && reader === undefined) process.stdout.write(helpOf(named))
else if (options.length > 0 && named.length !== 1) {
  refuse(`options belong to one bench: npm run bench -- gateways ${options.join(' ')}`)
} else if (options.length > 0 && reader === undefined) {
  refuse(`${named[0]} takes no options, and got ${options.join(' ')}`)
} else {
  const names = named.length > 0 ? named : Object.keys(benches).filter((name) => name !== 'soak')
  for (const name of names) {
    if (!wantsHelp) process.stdout.write(`\n${name}\n`)
    const status = await benches[name]!.run(options)
    if (status) process.exitCode = status
  }
}

function refuse(reason: string): void {
  process.stderr.write(`${reason}\n`)
  process.exitCode = 2
}

/** @param names of the benches that are asked about; none: all */
function helpOf(names: readonly string[]): string {
  const lines = (names.length > 0 ? names : Object.keys(benches)).map((name) => {
    const { about, hasOptions } = benches[name]!
    return `  ${name.padEnd(10)} ${about}${hasOptions === true ? ' *' : ''}`
  })
  return `npm run bench -- [NAME...] [options]

Runs the named benches one after the other; without a name, all but soak. The model servers behind the
gateway are stand-ins on this machine: no provider is called, no key is needed. Timings are worth
something only on a machine that does nothing else meanwhile.

${lines.join('\n')}

* has options: npm run bench -- NAME --help
`
}
