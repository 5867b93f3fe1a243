// A user with a configuration that refers to stored secrets, and the `secret` commands in this process.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { PassThrough } from 'node:stream'
import type { TestContext } from 'node:test'

import { secretListCommand, secretVerifyCommand } from '../../src/cli/secret-list.ts'
import { secretRecoveryCommand } from '../../src/cli/secret-recovery.ts'
import { secretRemoveCommand } from '../../src/cli/secret-remove.ts'
import { secretRotateCommand } from '../../src/cli/secret-rotate.ts'
import { secretSetCommand } from '../../src/cli/secret-set.ts'
import type { SecretParts } from '../../src/cli/secret-setting.ts'
import { openConfig } from '../../src/config/load.ts'
import type { RunProgram } from '../../src/systemd/programs.ts'
import { type Scope, servicePaths, serviceUnit } from '../../src/systemd/scope.ts'
import { recordedIo } from '../support/command-io.ts'
import { scratchDirectory } from '../support/config-file.ts'

export interface Ran {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
  /** The identity that it printed. */
  readonly printed: string | undefined
}

export type SecretScene = ReturnType<typeof secretScene>

/** A machine without systemd. */
const nothingRuns: RunProgram = () => ({ status: undefined, stdout: '', stderr: 'not found' })

export interface SceneOptions {
  /** A section of the configuration. */
  readonly section?: string
  readonly scope?: Scope
  readonly run?: RunProgram
}

/** @param names of the secrets that the configuration refers to, each for a provider of the same name. */
export function secretScene(
  t: TestContext,
  names: readonly string[],
  { section = '', scope = 'user', run = nothingRuns }: SceneOptions = {},
) {
  const home = scratchDirectory(t)
  const env: NodeJS.ProcessEnv = { HOME: home, PATH: '/usr/bin:/bin' }
  const paths = { ...servicePaths('user', env), scope }
  const config = paths.configFile
  const providers = names.map(
    (name) => `  ${name}: { base_url: "https://${name}.example/v1", api_key: { secret: ${name} } }`,
  )
  mkdirSync(dirname(config), { recursive: true })
  const first = names[0] ?? 'e'
  const text = [
    'providers:',
    '  e: { kind: echo }',
    ...providers,
    `models: { m: { provider: ${first} } }`,
    section,
    '',
  ]
  writeFileSync(config, text.join('\n'), { mode: 0o600 })

  const command = async (input: string, act: (parts: SecretParts) => Promise<number>): Promise<Ran> => {
    const io = recordedIo(env)
    const stdin = new PassThrough()
    stdin.end(input)
    const status = await act({
      io: Object.assign(io, {
        stdin: Object.assign(stdin, { isTTY: false as true, setRawMode: () => process.stdin }),
      }),
      paths,
      config,
      run,
    })
    const printed = /AGE-SECRET-KEY-1\w+/.exec(io.written.stdout)?.[0]
    return { status, ...io.written, printed }
  }

  return {
    home,
    paths,
    directory: join(dirname(config), 'secrets'),
    identityFile: join(paths.stateDirectory, 'identity.txt'),
    file: (name: string) => join(dirname(config), 'secrets', `${name}.age`),
    recipients: () => readFileSync(join(dirname(config), 'secrets', 'recipients.txt'), 'utf8'),
    set: (name: string, value: string, isGenerated = false) =>
      command(value, (parts) => secretSetCommand(parts, name, { isGenerated })),
    list: () => command('', (parts) => secretListCommand(parts, Date.now())),
    remove: (name: string) => command('', (parts) => secretRemoveCommand(parts, name)),
    verify: (recovery?: string) =>
      command(recovery ?? '', (parts) =>
        secretVerifyCommand(parts, { isOfRecovery: recovery !== undefined }),
      ),
    rotate: (recovery?: string) =>
      command(recovery ?? '', (parts) =>
        secretRotateCommand(parts, { isFromRecovery: recovery !== undefined }),
      ),
    recovery: () => command('', secretRecoveryCommand),
    /** From here on the service is installed, with this configuration. */
    install() {
      mkdirSync(paths.unitDirectory, { recursive: true })
      const start = `ExecStart=/node main.ts serve --config ${config}\n`
      writeFileSync(join(paths.unitDirectory, serviceUnit), `[Service]\n${start}`)
    },
    /** The keys that a gateway would send, by provider. @throws with the problems of the configuration, if it has any. */
    async load(more: NodeJS.ProcessEnv = {}): Promise<Record<string, string | undefined>> {
      const loaded = await openConfig(config, { env: { ...env, ...more } })
      if (!loaded.ok) throw new Error(loaded.problems.map(({ message }) => message).join('\n'))
      return Object.fromEntries(
        [...loaded.config.providers.values()].flatMap((provider) =>
          provider.kind === 'echo' ? [] : [[provider.name, provider.apiKey?.reveal()]],
        ),
      )
    },
  }
}

/** Every file below a folder, as text. */
export function contentsOf(folder: string): string {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
    .join('\n')
}
