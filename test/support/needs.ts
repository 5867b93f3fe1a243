import { accessSync, constants } from 'node:fs'
import { delimiter, isAbsolute, join } from 'node:path'

/**
 * For `test('…', { skip: missing('nginx') }, …)`: false when all the programs are there, else the reason for which the
 * test is skipped. Where nothing may be skipped (`REQUIRE_SYSTEM_TESTS=1`, as in CI) a missing program is an error.
 * Programs of administrators are looked for in the sbin folders too, which are not on everybody's PATH.
 */
export function missing(...programs: readonly string[]): string | false {
  const absent = programs.filter((program) => findProgram(program) === undefined)
  if (absent.length === 0) return false
  return excuse(`${absent.join(', ')} not installed`)
}

/** The same for what is not a program: `skip: unless(process.getuid?.() === 0, 'needs root')`. */
export function unless(isMet: boolean, reason: string): string | false {
  return isMet ? false : excuse(reason)
}

/** The full path of a program, undefined when there is none. @param program a name, or a path from the root. */
export function findProgram(program: string, env: NodeJS.ProcessEnv = process.env): string | undefined {
  if (isAbsolute(program)) return isExecutable(program) ? program : undefined
  const folders = [...(env['PATH'] ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin']
  return folders
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, program))
    .find(isExecutable)
}

function excuse(reason: string): string {
  if (process.env['REQUIRE_SYSTEM_TESTS'] === '1') {
    throw new Error(`${reason}, and REQUIRE_SYSTEM_TESTS=1 allows no test to be skipped`)
  }
  return reason
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
