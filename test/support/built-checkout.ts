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

/** Builds it unless that has been done. */
export function provideBuild(): void {
  if (isBuilt()) return
  execFileSync('flock', [join(checkout, 'package.json'), process.execPath, import.meta.filename])
}

if (import.meta.main && !isBuilt()) execFileSync(process.execPath, [buildScript])
