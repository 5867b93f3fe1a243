// Foreign programs that drive the gateway or stand behind it: where they are found, and how they run.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'

import { unless } from '../support/needs.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'

/** A Python with packages besides its own; undefined unless the environment names one. */
export const python = process.env['LLM_GATEWAY_TEST_PYTHON']

/** Holds one folder for each client, in which npm installed it; undefined unless the environment names one. */
const clients = process.env['LLM_GATEWAY_TEST_CLIENTS']

/**
 * For `skip`: false when a Python has all of these modules, else the reason with the way to have them.
 * @param variable of the environment, which names the Python.
 */
export function missingPython(
  variable: string,
  modules: readonly string[],
  packages: string,
): string | false {
  const program = process.env[variable]
  const how = `set ${variable} to a Python with: pip install ${packages}`
  if (program === undefined) return unless(false, how)
  const code = 'import sys, importlib.util as u; sys.exit(any(u.find_spec(m) is None for m in sys.argv[1:]))'
  return unless(spawnSync(program, ['-c', code, ...modules]).status === 0, how)
}

/** A client of the npm registry. */
export interface NpmClient {
  /** The path of its program, undefined when it is not installed. */
  readonly program: string | undefined
  readonly version: string | undefined
  /** For `skip`: false when it is there, else the reason with the way to have it. */
  readonly skip: string | false
}

/** @param folder of the client below the folder of all clients. */
export function npmClient(folder: string, packageName: string, program: string): NpmClient {
  const modules = join(clients ?? '', folder, 'node_modules')
  const path = join(modules, '.bin', program)
  const isThere = clients !== undefined && existsSync(path)
  const how = `set LLM_GATEWAY_TEST_CLIENTS to a folder DIR, and: npm install --prefix DIR/${folder} ${packageName}`
  const description = join(modules, packageName, 'package.json')
  return {
    program: isThere ? path : undefined,
    version: isThere
      ? (JSON.parse(readFileSync(description, 'utf8')) as { version: string }).version
      : undefined,
    skip: unless(isThere, how),
  }
}

/** An empty folder that is removed after the test. */
export function emptyFolder(t: Cleanup): string {
  const folder = mkdtempSync(join(tmpdir(), 'llm-gateway-real-'))
  t.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
  return folder
}

/** Writes files below a folder, which nobody else can read. */
export function writeFiles(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    const file = join(folder, name)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text, { mode: 0o600 })
  }
}

/** How a program ended, with all that it wrote. */
export interface Ran {
  readonly status: number | string
  readonly stdout: string
  readonly stderr: string
}

interface Settings {
  readonly folder: string
  readonly env: Readonly<Record<string, string>>
  /** A standard input that stays open until the test's process ends. */
  readonly hasInput?: boolean
}

/** With this Node first: clients that are scripts run on it. */
const path = [dirname(process.execPath), process.env['PATH']].join(delimiter)

/** Starts a program in a process group of its own, which ends with the test. */
export function start(
  t: Cleanup,
  program: string,
  args: readonly string[],
  { folder, env, hasInput = false }: Settings,
): { readonly firstLine: Promise<string>; readonly ended: Promise<Ran> } {
  const child = spawn(program, args, {
    cwd: folder,
    env: { PATH: path, ...env },
    stdio: [hasInput ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    detached: true,
  })
  let stdout = ''
  let stderr = ''
  const firstLine = Promise.withResolvers<string>()
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    const end = stdout.indexOf('\n')
    if (end !== -1) firstLine.resolve(stdout.slice(0, end))
  })
  child.stderr!.setEncoding('utf8').on('data', (text: string) => void (stderr += text))
  const ended = once(child, 'close').then(([code, signal]): Ran => {
    firstLine.reject(new Error(`${program} ended (${code ?? signal}): ${stderr.slice(-2_000)}`))
    return { status: (code ?? signal) as number | string, stdout, stderr }
  })
  firstLine.promise.catch(() => {})
  t.after(async () => {
    try {
      process.kill(-child.pid!, 'SIGKILL')
    } catch {
      // The group has ended.
    }
    await ended
  })
  return { firstLine: firstLine.promise, ended }
}
