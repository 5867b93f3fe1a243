// Configuration files for tests, in a directory of their own that goes away with the test.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

import { loadConfig, type LoadedConfig, type LoadOptions } from '../../src/config/load.ts'
import type { Accounts } from '../../src/platform/ownership.ts'
import type { Cleanup } from './scripted-upstream.ts'

/** The user that runs the tests, alone on the machine. */
export const ownAccounts: Accounts = { uid: process.getuid!(), isPrivateGroup: () => true }

const ofEndedTests: string[] = []
process.once('exit', () => {
  for (const directory of ofEndedTests) rmSync(directory, { recursive: true, force: true })
})

/** It is removed at the end of the process: gateways write to it until later hooks of the test have stopped them. */
export function scratchDirectory(t: Cleanup): string {
  const directory = mkdtempSync(join(tmpdir(), 'llm-gateway-test-'))
  t.after(() => void ofEndedTests.push(directory))
  return directory
}

export interface WrittenFile {
  readonly name?: string
  readonly mode?: number
}

/** Writes a file with exactly this mode, whatever the umask. */
export function writeScratch(
  t: TestContext,
  text: string | Buffer,
  { name, mode }: WrittenFile = {},
): string {
  const path = join(scratchDirectory(t), name ?? 'llm-gateway.yaml')
  writeFileSync(path, text)
  chmodSync(path, mode ?? 0o600)
  return path
}

/** Loads a text as a configuration file with nothing in the environment. */
export function loadText(
  t: TestContext,
  text: string | Buffer,
  surroundings: Partial<LoadOptions> = {},
): LoadedConfig {
  return loadConfig(writeScratch(t, text), {
    env: {},
    accounts: ownAccounts,
    ...surroundings,
  })
}

/** The problems of a text as `line:column path: message`, and warnings among them. */
export function problemsOf(t: TestContext, text: string, surroundings: Partial<LoadOptions> = {}): string[] {
  const loaded = loadText(t, text, surroundings)
  const problems = loaded.ok ? loaded.warnings : loaded.problems
  return problems.map(({ line, column, path, message }) => `${line}:${column} ${path}: ${message}`)
}
