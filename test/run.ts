// node test/run.ts KIND [PATH…]: runs all files `*.KIND.ts` of tests, or the given files, or those in the given folders.
// `npm test` is the kind `test`, `npm run test:system` the kind `system`. Options are passed on to Node's test runner.
import { spawnSync } from 'node:child_process'
import { globSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

import { buildScript, isBuilt } from './support/built-checkout.ts'
import { compileCache, compileCacheOfWorkers } from './support/compile-cache.ts'
import { divide, divideBy, writeGroups } from './support/test-groups.ts'

const root = join(import.meta.dirname, '..')
const { tokens } = parseArgs({ strict: false, tokens: true })
const options = tokens.flatMap((token) => {
  if (token.kind !== 'option') return []
  return [token.value === undefined ? token.rawName : `${token.rawName}=${token.value}`]
})
const [kind = 'test', ...paths] = tokens.flatMap((token) =>
  token.kind === 'positional' ? [token.value] : [],
)
const files = (paths.length === 0 ? ['test'] : paths).flatMap((path) => filesOf(path))
if (files.length === 0) {
  process.stderr.write(`No *.${kind}.ts: ${paths.join(', ')}\n`)
  process.exit(2)
}
// Loading the gateway is most of the CPU time of a short test, and takes half of it with code that was compiled before.
// Coverage needs every function compiled anew.
const isCached = !options.some((option) => option.startsWith('--experimental-test-coverage'))
// All tests start some hundred gateways, for which a build pays; a few tests are to start at once.
if (isCached && paths.length === 0 && !isBuilt())
  spawnSync(process.execPath, [buildScript], { stdio: 'inherit' })
const cachedEnv = { NODE_COMPILE_CACHE: compileCache, TEST_BUILD: isBuilt() ? '1' : '0', ...process.env }
const env = isCached ? cachedEnv : process.env
const preload = isCached ? [`--import=${compileCacheOfWorkers}`] : []
// Tests wait for sockets, timers and processes as long as they compute. Each may have to do with half a core.
const concurrency = 2 * availableParallelism()
// At the end, nothing is to be left that takes long and waits.
const isFirst = (file: string) => /^test\/system(-users)?\/|-systemd\./.test(file)
// These change or measure their whole process, or take long by themselves, as all system tests do.
const isAlone = (file: string) => kind === 'system' || /^test\/(bin|leaks|scripts|sdk)\//.test(file)
const [first, others] = divideBy(isFirst, files)
const [alone, shared] = divideBy(isAlone, others)
const groups = [...[...first, ...alone].map((file) => [file]), ...divide(shared, 12)]
const args = [
  ...preload,
  '--test',
  `--test-concurrency=${concurrency}`,
  '--test-timeout=120000',
  ...options,
  ...(files.length > concurrency ? writeGroups(groups) : files),
]
const { status } = spawnSync(process.execPath, args, { cwd: root, env, stdio: 'inherit' })
process.exitCode = status ?? 1

function filesOf(path: string): string[] {
  const status = statSync(join(root, path), { throwIfNoEntry: false })
  if (status?.isDirectory() !== true) return status === undefined ? [] : [path]
  return globSync(`${path}/**/*.${kind}.ts`, { cwd: root }).toSorted()
}
