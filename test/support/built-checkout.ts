// A checkout whose dist/ is current. Several test files need it at once: one of them builds it, in a process of its own under
// a lock, for which the others wait.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

import { computeDigest, readDigest } from '../../src/cli/program-digest.ts'

export const checkout = join(import.meta.dirname, '../..')

export function isBuilt(): boolean {
  return readDigest(join(checkout, 'dist')) === computeDigest(checkout)
}

export const buildScript = join(checkout, 'scripts/build.ts')

/**
 * Whether the run of the tests (`test/run.ts`) has found dist/ current, or made it so. Tests then start the gateway's processes
 * and threads from there: until it listens, that takes 0.2 s of CPU, from the sources with compiled code in a cache 0.6 s; with
 * three threads 0.6 and 2 s.
 */
export const isBuildTested = process.env['TEST_BUILD'] === '1'

/** What a test gives to Node to run the program. */
export const programFile = join(checkout, isBuildTested ? 'dist/main.cjs' : 'src/main.ts')

/** What a thread of a gateway runs. */
export const workerFile = join(checkout, isBuildTested ? 'dist/worker.cjs' : 'src/app/workers/worker.ts')

/** What the thread of a ledger runs. */
export const writerFile = join(checkout, isBuildTested ? 'dist/ledger-writer.cjs' : 'src/ledger/writer.ts')

/** Builds it unless that has been done. */
export function provideBuild(): void {
  if (isBuilt()) return
  execFileSync('flock', [join(checkout, 'package.json'), process.execPath, import.meta.filename])
}

if (import.meta.main && !isBuilt()) execFileSync(process.execPath, [buildScript])
