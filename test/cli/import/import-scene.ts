// What tests of `import` share: a foreign file in a directory of its own, and what became of it.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

import { importCommand, type ImportOptions } from '../../../src/cli/import/import-command.ts'
import { loadConfig } from '../../../src/config/load.ts'
import type { RawConfig } from '../../../src/config/raw.ts'
import { recordedIo } from '../../support/command-io.ts'
import { scratchDirectory } from '../../support/config-file.ts'

export const fixtures = join(import.meta.dirname, '../../fixtures/import')

export interface ImportedFile {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
  readonly out: string
  /** Empty when nothing was written. */
  readonly text: string
}

interface SceneOptions extends Partial<ImportOptions> {
  readonly env?: NodeJS.ProcessEnv
  readonly hasServiceManager?: boolean
  readonly name?: string
}

/** Imports a text, from a file in a directory of its own. */
export function importText(t: TestContext, text: string, options: SceneOptions = {}): ImportedFile {
  const folder = scratchDirectory(t)
  const file = join(folder, options.name ?? 'foreign')
  writeFileSync(file, text)
  return importFile(t, file, options)
}

export function importFile(t: TestContext, file: string, options: SceneOptions = {}): ImportedFile {
  const { env = {}, hasServiceManager = true, ...rest } = options
  const io = recordedIo(env)
  const out = options.out ?? join(scratchDirectory(t), 'out', 'llm-gateway.yaml')
  const usual = { check: false, stdout: false, withCommands: false, force: false, json: false }
  const status = importCommand(io, file, { ...usual, ...rest, out }, hasServiceManager)
  const { stdout, stderr } = io.written
  return { status, stdout, stderr, out, text: existsSync(out) ? readFileSync(out, 'utf8') : '' }
}

export function importFixture(t: TestContext, name: string, options: SceneOptions = {}): ImportedFile {
  return importFile(t, join(fixtures, name), options)
}

/** The written file as the gateway reads it; problems are thrown. */
export function loaded(file: string, env: NodeJS.ProcessEnv = {}): RawConfig {
  const result = loadConfig(file, { env, withoutSecrets: true, hasServiceManager: true })
  if (!result.ok) throw new Error(JSON.stringify(result.problems))
  return JSON.parse(JSON.stringify(result.raw)) as RawConfig
}
