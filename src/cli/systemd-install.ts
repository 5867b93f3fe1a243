// `llm-gateway systemd install`: writes units, configuration and directories for a manager. Repeating it is safe.
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, symlinkSync } from 'node:fs'
import { userInfo } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { packageAccounts, packagedConfigFile } from '../config/find.ts'
import { unrecognized, unrecognizedUsers } from '../config/check-users.ts'
import { readPartialConfig } from '../config/partial-config.ts'
import { systemAccounts } from '../platform/ownership.ts'
import { packagePath } from '../platform/package.ts'
import { replaceFile } from '../platform/replace-file.ts'
import { hasIpv6Loopback } from '../platform/proc-net.ts'
import { shellWord } from '../platform/shell-word.ts'
import { systemUsers } from '../platform/unix-users.ts'
import {
  credentialsDropIn,
  listCredentials,
  makePrivateDirectory,
  renderDropIn,
} from '../systemd/credentials.ts'
import type { RunProgram } from '../systemd/programs.ts'
import {
  doctorTimer,
  doctorUnit,
  isLingering,
  scopeOptions,
  type ServicePaths,
  servicesSocket,
  serviceUnit,
  socketUnit,
} from '../systemd/scope.ts'
import { renderDoctorUnits, renderServicesUnits, renderUnits, sysusersText } from '../systemd/units.ts'
import { diffLines } from './diff.ts'
import { printable } from '../platform/printable.ts'
import { ownCommand } from './invocation.ts'
import { type CommandIo, Output } from './output.ts'
import { examineProgram, installProgram, type ServiceProgram } from './service-program.ts'
import { removeStarter } from './starter-units.ts'

export interface InstallOptions {
  /** An existing configuration file; undefined: the service's own, created from the packaged one if missing. */
  readonly config: string | undefined
  /** Also install the weekly check. Once installed, it is kept up to date without this. */
  readonly hasDoctorTimer: boolean
  readonly isDryRun: boolean
  /** Of a system-wide service: who sees the status page, besides the service's user. Undefined: nobody. */
  readonly statusUser?: string | undefined
  /** The command line names that user. */
  readonly isStatusUserNamed?: boolean
}

/** Prints what it does. @returns the exit status: 0, or 1 when something could not be done. */
export async function systemdInstallCommand(
  io: CommandIo,
  paths: ServicePaths,
  options: InstallOptions,
  run: RunProgram,
): Promise<number> {
  const installer = new Installer(io, paths, options, run)
  try {
    return installer.install()
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException
    const reason = faults[code ?? '']
    if (reason === undefined) throw error
    // A write to an open file does not name it.
    const file = path === undefined ? 'a file of the service' : printable(path)
    const ofOwner = paths.scope === 'system' ? 'Run the command as root (sudo).' : 'Check its owner.'
    const hint = code === 'ENOSPC' || code === 'EDQUOT' ? 'Make room, and install again.' : ofOwner
    new Output(io.stderr, io.env).line(`Cannot write ${file}: ${reason}. ${hint}`)
    return 1
  }
}

/** What an installation has besides the gateway and its socket. */
interface Parts {
  readonly hasDoctor: boolean
  readonly hasServices: boolean
  readonly startsAtBoot: boolean
}

/** Why a file cannot be written, by the code of the error. */
const faults: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EDQUOT: 'the quota is used up',
  ENOSPC: 'the disk is full',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
}

class Installer {
  readonly #out: Output
  readonly #err: Output
  readonly #io: CommandIo
  readonly #paths: ServicePaths
  readonly #options: InstallOptions
  readonly #run: RunProgram
  #hasChanged = false

  constructor(io: CommandIo, paths: ServicePaths, options: InstallOptions, run: RunProgram) {
    this.#io = io
    this.#out = new Output(io.stdout, io.env)
    this.#err = new Output(io.stderr, io.env)
    this.#paths = paths
    this.#options = options
    this.#run = run
  }

  install(): number {
    const { scope, credentialsDirectory, stateDirectory, unitDirectory } = this.#paths
    const config = resolve(this.#options.config ?? this.#paths.configFile)
    if (this.#options.config !== undefined && !existsSync(config)) {
      this.#err.line(`${printable(config)} does not exist.`)
      return 1
    }
    const source = existsSync(config) ? config : packagedConfigFile()
    const accounts = source === config ? systemAccounts() : packageAccounts()
    const read = readPartialConfig(source, this.#io.env, accounts)
    if (read.kind === 'unreadable') {
      this.#err.line(`${printable(source)} ${printable(read.message)}.`)
      if (scope === 'system') this.#err.line(this.#copyHint(source))
      return 1
    }
    const program = this.#program()
    if (program === undefined) return 1
    if (source === config) this.#keepConfig(config)
    else this.#write(config, this.#configText(source, program), scope === 'user' ? 0o600 : 0o644)
    this.#directory(credentialsDirectory)
    // For the system's service systemd creates it (StateDirectory=).
    if (scope === 'user') this.#directory(stateDirectory)
    const { hosts, port, hasServices, startsAtBoot } = read.config
    const hasDoctor = this.#options.hasDoctorTimer || existsSync(join(unitDirectory, doctorUnit))
    const facts = {
      node: program.node,
      main: program.main,
      config,
      state: stateDirectory,
      credentials: credentialsDirectory,
      hosts: hosts.filter((host) => !host.includes(':') || hasIpv6Loopback()),
      port,
    }
    const units = [
      ...renderUnits(scope, facts),
      ...(hasServices ? renderServicesUnits(scope, facts) : []),
      ...(hasDoctor ? renderDoctorUnits(scope, facts) : []),
    ]
    for (const { name, text } of units) this.#write(join(unitDirectory, name), text, 0o644)
    const { sysusersFile } = this.#paths
    if (hasServices && sysusersFile !== undefined) this.#write(sysusersFile, sysusersText(), 0o644)
    if (!hasServices) removeStarter(this.#out, this.#paths, this.#options, this.#run)
    const stored = listCredentials(credentialsDirectory)
    for (const unit of [serviceUnit, ...(hasDoctor ? [doctorUnit] : [])]) {
      if (stored.length > 0) this.#write(credentialsDropIn(this.#paths, unit), renderDropIn(stored), 0o644)
    }
    if (hasDoctor) this.#linkDropIns()
    if (scope === 'user') this.#warnOfUsers(read.config.users)
    if (this.#options.isDryRun) {
      this.#out.line('Nothing was changed (--dry-run).')
      return 0
    }
    return this.#enable({ hasDoctor, hasServices, startsAtBoot })
  }

  #warnOfUsers(names: readonly string[]): void {
    for (const name of unrecognizedUsers(names)) {
      const { message, hint } = unrecognized(name)
      this.#err.line(`${this.#err.styled('yellow', 'warning:')} ${printable(message)}; ${hint}`)
    }
  }

  /** Drop-ins that the user wrote may pass keys too. */
  #linkDropIns(): void {
    const { unitDirectory } = this.#paths
    const [from, to] = [serviceUnit, doctorUnit].map((unit) => join(unitDirectory, `${unit}.d`)) as [
      string,
      string,
    ]
    const names = existsSync(from) ? readdirSync(from).filter((name) => name.endsWith('.conf')) : []
    for (const name of names.filter((each) => !existsSync(join(to, each)))) {
      this.#out.line(`${this.#out.styled('green', 'new')}        ${printable(join(to, name))} (link)`)
      if (this.#options.isDryRun) continue
      mkdirSync(to, { recursive: true, mode: 0o755 })
      symlinkSync(join(from, name), join(to, name))
    }
  }

  /**
   * The packaged example, with the path of its schema. The system-wide service runs as a user of its own, so the user
   * who installs it is allowed by name.
   */
  #configText(source: string, { root }: ServiceProgram): string {
    const schema = join(root, 'config/llm-gateway.schema.json')
    const text = readFileSync(source, 'utf8').replace(
      '$schema=./llm-gateway.schema.json',
      () => `$schema=${schema}`,
    )
    const installer = this.#io.env['SUDO_USER'] ?? 'root'
    const users = JSON.stringify(installer === 'root' ? ['root'] : [installer, 'root'])
    if (this.#paths.scope === 'user') return text
    const { statusUser } = this.#options
    return text
      .replace('allowed_users: [self] ', () => `allowed_users: ${users} `)
      .replace('status: { allowed_users: [self] }', (line) =>
        statusUser === undefined ? line : line.replace('[self]', `[self, ${JSON.stringify(statusUser)}]`),
      )
  }

  #keepConfig(config: string): void {
    this.#unchanged(config)
    const { isStatusUserNamed, statusUser } = this.#options
    if (isStatusUserNamed !== true) return
    this.#out.line(
      `To show the status page to ${statusUser}, list that user there: status: { allowed_users: [self, ${statusUser}] }`,
    )
  }

  /** @returns undefined when it could not be installed. */
  #program(): ServiceProgram | undefined {
    const state = examineProgram(this.#paths)
    const { program } = state
    if (state.kind === 'current') {
      this.#unchanged(program.root.replace(/\/?$/, '/'))
      return program
    }
    this.#hasChanged = true
    const [style, word] = state.isNew
      ? (['green', 'new       '] as const)
      : (['yellow', 'changed   '] as const)
    this.#out.line(`${this.#out.styled(style, word)} ${printable(program.root)}/ (the program)`)
    if (this.#options.isDryRun) return program
    const isCheckout = existsSync(packagePath('src/main.ts'))
    this.#out.line(
      `           ${isCheckout ? 'building and copying it takes 15 s of CPU and more' : 'copying it'} …`,
    )
    const failure = installProgram(program, this.#run)
    if (failure === undefined) return program
    this.#err.line(`The program could not be built: ${printable(failure)}`)
    this.#err.line('To install what the build needs, run: npm ci')
    return undefined
  }

  /** The service's user is neither the owner of the file nor allowed into a home directory. */
  #copyHint(source: string): string {
    const { configFile } = this.#paths
    return `To use a copy that root owns, run: sudo install -D -m 644 ${shellWord(source)} ${configFile}`
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
    // A full disk must not leave half a unit.
    replaceFile(before === undefined ? path : realpathSync(path), text, { mode })
  }

  #colouredDiff(line: string): string {
    const text = `    ${printable(line)}`
    if (line.startsWith('+')) return this.#out.styled('green', text)
    return line.startsWith('-') ? this.#out.styled('red', text) : text
  }

  #enable({ hasDoctor, hasServices, startsAtBoot }: Parts): number {
    const { scope, systemctl } = this.#paths
    if (hasServices && scope === 'system' && !this.#createUsers()) return 1
    const wasRunning = this.#systemctl('is-active', '--quiet', serviceUnit) === undefined
    const steps = [
      ['daemon-reload'],
      ['enable', socketUnit],
      ...(startsAtBoot ? [['enable', serviceUnit]] : this.#isEnabled() ? [['disable', serviceUnit]] : []),
      ...(wasRunning ? [] : [['start', socketUnit]]),
      ...(hasServices ? [['enable', '--now', servicesSocket]] : []),
      ...(hasDoctor ? [['enable', '--now', doctorTimer]] : []),
    ]
    for (const step of steps) {
      const failure = this.#systemctl(...step)
      if (failure === undefined) continue
      this.#err.line(`${systemctl} ${step.join(' ')} failed: ${printable(failure.trim())}`)
      this.#err.line(
        `The files are in place. Once the systemd manager is running, run: ${systemctl} daemon-reload && ${systemctl} enable --now ${socketUnit}`,
      )
      return 1
    }
    this.#out.line(
      `${this.#out.styled('green', 'enabled')}    ${socketUnit}: the first call starts the gateway`,
    )
    if (startsAtBoot) {
      const detail = `the gateway starts at ${scope === 'user' ? 'login' : 'boot'}, and with it the servers of start: boot`
      this.#out.line(`${this.#out.styled('green', 'enabled')}    ${serviceUnit}: ${detail}`)
    }
    if (hasServices) {
      this.#out.line(
        `${this.#out.styled('green', 'enabled')}    ${servicesSocket}: for model servers on demand`,
      )
    }
    if (hasDoctor) this.#out.line(`${this.#out.styled('green', 'enabled')}    ${doctorTimer}: once a week`)
    if (wasRunning && this.#hasChanged) {
      const option = scope === 'system' ? ' --system' : ''
      const restart = `${ownCommand(this.#io.env)} systemd restart${option}`
      this.#out.line(`The running service is unchanged. To apply the changes, run: ${restart}`)
    }
    if (scope === 'user' && !isLingering()) {
      this.#out.line(
        `The service stops when you log out. To keep it running, run: loginctl enable-linger ${userInfo().username}`,
      )
    }
    return 0
  }

  /** Of an earlier configuration. */
  #isEnabled(): boolean {
    const { stdout } = this.#run('systemctl', [...scopeOptions(this.#paths.scope), 'is-enabled', serviceUnit])
    return stdout.trim() === 'enabled'
  }

  /** @returns whether the users of the services are there. */
  #createUsers(): boolean {
    const { status, stderr } = this.#run('systemd-sysusers', [this.#paths.sysusersFile ?? ''])
    if (status !== 0) {
      this.#err.line(`systemd-sysusers failed: ${printable(stderr.trim())}`)
      return false
    }
    if (systemUsers().uidOf('llm-gateway') !== undefined) return true
    // While it runs, its user is one of systemd's own (DynamicUser=), and systemd-sysusers takes the name as present.
    this.#err.line(
      'The running gateway holds the name of its user. Run: systemctl stop llm-gateway.socket llm-gateway.service, then install again.',
    )
    return false
  }

  /** @returns the error message; undefined on success. */
  #systemctl(...args: string[]): string | undefined {
    const { status, stderr } = this.#run('systemctl', [...scopeOptions(this.#paths.scope), ...args])
    return status === 0 ? undefined : stderr || `exit status ${status}`
  }
}
