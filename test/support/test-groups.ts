// Test files that share a process. Most of the CPU time of a short file is the start of Node and loading the gateway, which a
// group of files pays once: the 31 files of test/config take 4 s of CPU in one process, 11 s in 31.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'

const root = join(import.meta.dirname, '../..')

/**
 * Writes one file for each group, which loads the files of the group. The runner sorts what it is given; these files' names
 * keep the order of the groups. They are removed when this process ends.
 * @param groups paths relative to the checkout.
 * @returns absolute paths.
 */
export function writeGroups(groups: readonly (readonly string[])[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'llm-gateway-tests-'))
  process.once('exit', () => rmSync(folder, { recursive: true }))
  const loader = JSON.stringify(pathToFileURL(import.meta.filename).href)
  return groups.map((files, index) => {
    const first = files[0]!
      .replace(/^test\//, '')
      .replaceAll('/', '-')
      .replace(/\.\w+\.ts$/, '')
    const path = join(folder, `${String(index).padStart(3, '0')}-${first}.test.mjs`)
    writeFileSync(path, `import { load } from ${loader}\nawait load(${JSON.stringify(files, null, 2)})\n`)
    return path
  })
}

/** Divides files into groups of nearly the same size, which is at most `size`. The order remains. */
export function divide(files: readonly string[], size: number): string[][] {
  const count = Math.ceil(files.length / size)
  const start = (index: number) => Math.round((index * files.length) / count)
  return Array.from({ length: count }, (_, index) => files.slice(start(index), start(index + 1)))
}

/** @returns the files for which it is so, and the others. */
export function divideBy(isSo: (file: string) => boolean, files: readonly string[]): [string[], string[]] {
  return [files.filter((file) => isSo(file)), files.filter((file) => !isSo(file))]
}

/**
 * Loads test files one after the other. One that cannot be loaded is a failed test, and the others run. A process that ends
 * before all tests have is a failure, whatever its status.
 */
export async function load(files: readonly string[]): Promise<void> {
  let isComplete = false
  // Not emitted at process.exit(), for which the runner has no failure.
  process.once('beforeExit', () => {
    isComplete = true
  })
  process.once('exit', () => {
    if (isComplete) return
    process.stderr.write(`The process of these files ended before their tests:\n${files.join('\n')}\n`)
    process.exitCode = 1
  })
  for (const file of files) {
    try {
      await import(pathToFileURL(resolve(root, file)).href)
    } catch (error) {
      test(file, () => {
        throw error
      })
    }
  }
}
