// npm run bench -- NAME…: runs the named benches, or all of them.
import { benchAdmission } from './admission.ts'
import { benchLimits } from './limits.ts'
import { benchWorkers } from './workers.ts'

const benches: Readonly<Record<string, () => void | Promise<void>>> = {
  admission: benchAdmission,
  limits: benchLimits,
  workers: benchWorkers,
}

const names = process.argv.slice(2)
for (const name of names.length > 0 ? names : Object.keys(benches)) {
  const bench = benches[name]
  if (bench === undefined) {
    process.stderr.write(`no bench ${name}; there are: ${Object.keys(benches).join(', ')}\n`)
    process.exitCode = 2
  } else {
    process.stdout.write(`\n${name}\n`)
    await bench()
  }
}
