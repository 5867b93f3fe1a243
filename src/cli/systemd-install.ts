// `llm-gateway systemd install`: units, configuration and directories for one of the two managers. Safe to repeat.
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { packagedConfigFile } from '../config/find.ts'
import { readPartialConfig } from '../config/partial-config.ts'
import { mainPath } from '../package.ts'
import {
  credentialsDropIn,
  listCredentials,
  makePrivateDirectory,
  renderDropIn,
} from '../systemd/credentials.ts'
import type { RunProgram } from '../systemd/programs.ts'
import { type Places, serviceUnit, socketUnit } from '../systemd/scope.ts'
import { renderUnits } from '../systemd/units.ts'
import { diffLines } from './diff.ts'
import { type CommandIo, Output, printable } from './output.ts'

export interface InstallOptions {
  /** A configuration file of the user's own; undefined: the place's, made from the packaged one if absent. */
  readonly config: string | undefined
  readonly isDryRun: boolean
}

/** Prints what it does. The exit code: 0, or 1 when something could not be done. */
export async function systemdInstallCommand(
  io: CommandIo,
  places: Places,
  options: InstallOptions,
  run: RunProgram,
): Promise<number> {
  const installer = new Installer(io, places, options, run)
  try {
    return installer.install()
  } catch (error) {
    const { code, path, message } = error as NodeJS.ErrnoException
    if (code !== 'EACCES' && code !== 'EROFS' && code !== 'EPERM') throw error
    const hint = places.scope === 'system' ? 'run it as root (sudo)' : 'is it yours?'
    new Output(io.stderr, io.env).line(`Can't write ${printable(path ?? message)} (${hint}).`)
    return 1
  }
}

class Installer {
  readonly #out: Output
  readonly #err: Output
  readonly #io: CommandIo
  readonly #places: Places
  readonly #options: InstallOptions
  readonly #run: RunProgram
  #hasChanged = false

  constructor(io: CommandIo, places: Places, options: InstallOptions, run: RunProgram) {
    this.#io = io
    this.#out = new Output(io.stdout, io.env)
    this.#err = new Output(io.stderr, io.env)
    this.#places = places
    this.#options = options
    this.#run = run
  }

  install(): number {
    const { scope, credentialsDirectory, stateDirectory, unitDirectory } = this.#places
    const config = resolve(this.#options.config ?? this.#places.configFile)
    if (this.#options.config !== undefined && !existsSync(config)) {
      this.#err.line(`There is no ${printable(config)}.`)
      return 1
    }
    const source = existsSync(config) ? config : packagedConfigFile()
    const read = readPartialConfig(source, this.#io.env)
    if (read.kind === 'unreadable') {
      this.#err.line(`${printable(source)} ${printable(read.message)}.`)
      return 1
    }
    if (source === config) this.#unchanged(config)
    else this.#write(config, this.#configText(source), scope === 'user' ? 0o600 : 0o644)
    this.#directory(credentialsDirectory)
    // systemd itself makes the system's.
    if (scope === 'user') this.#directory(stateDirectory)
    const { hosts, port } = read.config
    const units = renderUnits(scope, {
      node: process.execPath,
      main: mainPath(),
      config,
      state: stateDirectory,
      credentials: credentialsDirectory,
      hosts: hosts.filter((host) => !host.includes(':') || hasIpv6()),
      port,
    })
    for (const { name, text } of units) this.#write(join(unitDirectory, name), text, 0o644)
    const stored = listCredentials(credentialsDirectory)
    if (stored.length > 0) this.#write(credentialsDropIn(this.#places), renderDropIn(stored), 0o644)
    if (this.#options.isDryRun) {
      this.#out.line('Nothing was changed (--dry-run).')
      return 0
    }
    return this.#enable()
  }

  /**
   * The packaged example, with its schema where it is. The machine's service runs as a user that nobody is, so there
   * the one who installs it is let in by name.
   */
  #configText(source: string): string {
    const schema = join(dirname(source), 'llm-gateway.schema.json')
    const text = readFileSync(source, 'utf8').replace(
      '$schema=./llm-gateway.schema.json',
      () => `$schema=${schema}`,
    )
    const installer = this.#io.env['SUDO_USER'] ?? 'root'
    const users = JSON.stringify(installer === 'root' ? ['root'] : [installer, 'root'])
    return this.#places.scope === 'user'
      ? text
      : text.replace('allowed_users: [self]', () => `allowed_users: ${users}`)
  }

  #directory(path: string): void {
    if (existsSync(path)) return this.#unchanged(path)
    this.#out.line(`${this.#out.styled('green', 'new')}        ${printable(path)}/ (mode 0700)`)
    if (!this.#options.isDryRun) makePrivateDirectory(path)
  }

  #unchanged(path: string): void {
    this.#out.line(`${this.#out.styled('dim', 'unchanged')}  ${printable(path)}`)
  }

  #write(path: string, text: string, mode: number): void {
    const before = existsSync(path) ? readFileSync(path, 'utf8') : undefined
    if (before === text) return this.#unchanged(path)
    this.#hasChanged = true
    const shownMode = mode.toString(8).padStart(4, '0')
    if (before === undefined) {
      this.#out.line(`${this.#out.styled('green', 'new')}        ${printable(path)} (mode ${shownMode})`)
    } else {
      this.#out.line(`${this.#out.styled('yellow', 'changed')}    ${printable(path)}`)
      for (const line of diffLines(before, text)) this.#out.line(this.#colouredDiff(line))
    }
    if (this.#options.isDryRun) return
    mkdirSync(dirname(path), { recursive: true, mode: mode === 0o600 ? 0o700 : 0o755 })
    writeFileSync(path, text, { mode })
    chmodSync(path, mode)
  }

  #colouredDiff(line: string): string {
    const text = `    ${printable(line)}`
    if (line.startsWith('+')) return this.#out.styled('green', text)
    return line.startsWith('-') ? this.#out.styled('red', text) : text
  }

  #enable(): number {
    const { scope, systemctl } = this.#places
    const wasRunning = this.#systemctl('is-active', '--quiet', serviceUnit) === undefined
    const steps = [['daemon-reload'], ['enable', socketUnit], ...(wasRunning ? [] : [['start', socketUnit]])]
    for (const step of steps) {
      const fault = this.#systemctl(...step)
      if (fault === undefined) continue
      this.#err.line(`${systemctl} ${step.join(' ')} failed: ${printable(fault.trim())}`)
      this.#err.line(
        `The files are in place. When the manager runs: ${systemctl} daemon-reload && ${systemctl} enable --now ${socketUnit}`,
      )
      return 1
    }
    this.#out.line(
      `${this.#out.styled('green', 'enabled')}    ${socketUnit}: the first call starts the gateway`,
    )
    if (wasRunning && this.#hasChanged) {
      this.#out.line(`It is running as it was. To apply the changes: ${systemctl} restart llm-gateway`)
    }
    if (scope === 'user' && !isLingering()) {
      this.#out.line(
        `It ends with your last session. To keep it: loginctl enable-linger ${userInfo().username}`,
      )
    }
    return 0
  }

  /** What went wrong, undefined when nothing did. */
  #systemctl(...args: string[]): string | undefined {
    const scope = this.#places.scope === 'user' ? ['--user'] : []
    const { status, stderr } = this.#run('systemctl', [...scope, ...args])
    return status === 0 ? undefined : stderr || `exit status ${status}`
  }
}

/** Whether this machine has the address `::1`. Asked of proc_pid_net(5): the sandbox has no AF_NETLINK, which Node uses. */
export function hasIpv6(): boolean {
  try {
    return /^0{31}1 /m.test(readFileSync('/proc/self/net/if_inet6', 'latin1'))
  } catch {
    return false
  }
}

/** Whether the user's manager outlives her sessions, as logind keeps it: loginctl(1). */
export function isLingering(): boolean {
  return existsSync(join('/var/lib/systemd/linger', userInfo().username))
}
